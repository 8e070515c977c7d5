"""What a server allows: its rules as one document, and the decisions that follow from them. Values in, verdicts out; no input or output."""
