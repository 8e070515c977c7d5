"""/imageadmin: a guild's settings. Each command changes one subject and answers with its current settings."""
