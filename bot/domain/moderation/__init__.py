"""Rules for flags, strikes, and scores of the moderations endpoint."""
