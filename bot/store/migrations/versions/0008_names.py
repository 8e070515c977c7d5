"""Rename three tables; open forms in the key-value table get the prefix "form:"."""

from __future__ import annotations

from alembic import op
from sqlalchemy import JSON, String, column, func, select, table, update

revision = "0008"
down_revision = "0007"

_TABLES = (("keepsakes", "kv"), ("servers", "guilds"), ("pictures", "images"))
_KV = table("kv", column("name", String), column("value", JSON))


def upgrade() -> None:
    for old, new in _TABLES:
        op.rename_table(old, new)
    name = _KV.c.name
    op.execute(update(_KV).where(name.startswith("tray:")).values(name="form:" + func.substr(name, len("tray:") + 1)))
    for row in op.get_bind().execute(select(_KV).where(name.startswith("form:"))).all():
        if isinstance(row.value, dict) and "pictures" in row.value:  # an edit form that is open during the update
            form = {("images" if key == "pictures" else key): value for key, value in row.value.items()}
            op.execute(update(_KV).where(name == row.name).values(value=form))
