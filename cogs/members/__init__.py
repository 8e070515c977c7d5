"""A member's own affairs: help, models, settings, styles, tray, privacy."""
