"""Cases, flags, verdicts, blocks, strikes, and the audit log."""
