"""What every cog uses, and none of them owns."""
