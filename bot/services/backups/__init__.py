"""Backups of the database, on demand and by schedule."""
