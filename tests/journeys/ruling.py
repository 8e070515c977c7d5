"""What a server's managers decided before a journey begins."""

from __future__ import annotations

from typing import Any

from bot.app import House
from bot.domain.guild import document


def server_of(house: House) -> int:
    """The id of the server that the bot is in."""
    return house.client.guilds[0].id


async def rule(house: House, **changes: Any) -> None:
    """Change the server's rules, as a settings file would."""
    await house.services.servers.change_policy(server_of(house), lambda rules: document.changed(rules, changes), actor_id=None)
