"""Cases, flags, decisions, blocks, strikes, and the audit log."""
