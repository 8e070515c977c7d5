"""`python -m bot move`: the whole database to another one, from SQLite to PostgreSQL or back, while no bot runs."""
