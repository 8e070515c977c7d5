"""What members and moderators touch. A cog parses, makes one call, and answers once."""
