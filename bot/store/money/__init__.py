"""The ledger, and every way in which money moves."""
