"""Easel: a Discord bot that makes and edits images for a community and loses none of them."""

__version__ = "0.1.0"
