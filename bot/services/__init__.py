"""What the bot decides and changes, one transaction each."""
