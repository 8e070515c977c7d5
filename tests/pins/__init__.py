"""The pinned dependencies: what is known against them, and the bill of materials."""
