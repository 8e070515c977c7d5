"""Easel: a Discord bot that makes and edits images for a community and loses none of them."""

__version__ = "0.1.0"
USER_AGENT = f"Easel/{__version__} (Discord bot for images)"  # of every request to image APIs and their storages
