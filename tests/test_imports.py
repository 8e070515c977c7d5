"""Starting the bot imports nothing that only some uses need: it would take memory, and time at each start."""

from __future__ import annotations

import subprocess
import sys

RARELY_NEEDED = {
    "aiosqlite",
    "alembic",
    "asyncpg",
    "babel",
    "cryptography",
    "jsonschema_rs",
    "PIL",
    "pi_heif",
    "pyvips",
    "re2",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.orm",
}


def test_starting_imports_nothing_that_is_rarely_needed() -> None:
    code = f"import sys, bot.__main__, bot.app, bot.core.metrics; print(*{RARELY_NEEDED!r} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)  # noqa: S603 - ours
    assert ran.stdout.split() == []
