"""What a server's managers decided before a journey begins."""

from __future__ import annotations

from typing import Any

from bot.app import App
from bot.domain.guild import document


def server_of(app: App) -> int:
    """The id of the server that the bot is in."""
    return app.client.guilds[0].id


async def rule(app: App, **changes: Any) -> None:
    """Change the server's rules, as a settings file would."""
    await app.services.guilds.change_policy(server_of(app), lambda rules: document.changed(rules, changes), actor_id=None)
