"""The store on PostgreSQL, over asyncpg."""
