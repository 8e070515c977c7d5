"""Alembic's entry point: runs the migrations on the connection, and in the transaction, of bot/store/engine/schema.py.

To change the schema: edit bot/store/tables/, write the next file in versions/ by hand, and run
tests/store/engine/test_migrations.py, which lists the remaining differences on both databases.
"""

from __future__ import annotations

from alembic import context

from bot.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
