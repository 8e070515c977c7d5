"""Edits that members ask for by a message: they reply to an image and mention the bot."""
