"""Several processes of the bot on one PostgreSQL, between stand-ins that count what all of them do together."""
