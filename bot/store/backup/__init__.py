"""Backups: making them, examining them, and what a bot does that starts with one."""
