"""This process among the others on the same database: its lease, and what only one of them does."""
