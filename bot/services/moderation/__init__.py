"""Moderation: cases, and the bot's posts for moderators."""
