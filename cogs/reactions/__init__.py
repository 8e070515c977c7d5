"""Reactions as shortcuts for buttons and menus, and presets."""
