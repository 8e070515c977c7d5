"""/imageadmin: what a server's managers decide. Each command changes one subject and says what holds now."""
