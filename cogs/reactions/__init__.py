"""Reactions: a shortcut layer over what buttons and menus do."""
