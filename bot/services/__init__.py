"""What the bot decides and changes. Each method is one transaction at most."""
