"""SQLite and PostgreSQL: opening, schema migration, transactions."""
