"""Alembic's entry: runs the versions on the connection, and in the transaction, that bot/store/engine/schema.py hands over.

To change the schema: change tables.py, add the next file in versions/ by hand, run tests/store/engine/test_migrations.py;
it names every difference that is left, on both databases.
"""

from __future__ import annotations

from alembic import context

from bot.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
