"""The chat page in a real Chromium, against the local Discord and a small bot."""
