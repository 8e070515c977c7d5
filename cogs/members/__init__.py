"""Commands about a member's own account: help, models, settings, styles, tray, privacy."""
