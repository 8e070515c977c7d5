"""Helpers that all cogs share."""
