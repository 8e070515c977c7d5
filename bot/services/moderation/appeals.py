"""Appeals of blocked members. A block is appealed once; what is decided about it is a case like others."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from bot.core.clock import Clock
from bot.domain import permissions
from bot.domain.permissions import Action, Target
from bot.domain.request import Request
from bot.services.moderation.cases import APPEAL_MAX
from bot.store.engine.base import Store
from bot.store.moderation import block_appeals

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Appeals:
    """Every method checks permissions itself."""

    store: Store
    clock: Clock

    async def check(self, request: Request, block_id: int) -> None:
        """Raises `NotAllowed` if the actor may not appeal this block."""
        block = await self.store.read(block_appeals.get, block_id)
        is_open = block is not None and block.may_be_appealed(self.clock())
        permissions.check(request, Action.APPEAL, Target(owner_id=block.user_id if block else None, is_open=is_open))

    async def appeal(self, request: Request, block_id: int, *, words: str) -> None:
        """The member appeals, once. Raises `NotAllowed` if they may not."""
        await self.check(request, block_id)
        channel_id = request.channel.channel_id
        opened = await self.store.write(block_appeals.appeal, block_id, words=words[:APPEAL_MAX], channel_id=channel_id, now=self.clock())
        # It may have been appealed since the check.
        permissions.check(request, Action.APPEAL, Target(owner_id=request.actor.user_id, is_open=opened is not None))
        log.info("block appealed", block=block_id)
