"""What members choose for themselves, and what follows from it for others: preferences, saved styles, consent, the tray of references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.clock import Clock
from bot.domain import permissions
from bot.domain.admission import check_consent
from bot.domain.order import TrayItem
from bot.domain.permissions import Target
from bot.domain.preferences import Preferences
from bot.domain.request import Request
from bot.store import documents, tray
from bot.store.engine.base import Store

TRAY_MAX = 4  # images: as many as /edit takes


@dataclass(frozen=True, kw_only=True)
class Members:
    """Reads and changes the choices of members. Every method is one transaction at most."""

    store: Store
    clock: Clock

    async def change(self, user_id: int, change: Callable[[Preferences], Preferences]) -> Preferences:
        """Put `change` of the member's preferences in their place. A `Refusal` that it raises leaves them as they are."""
        return await self.store.write(documents.change_preferences, user_id, change, self.clock())

    async def check_consent(self, request: Request, owner_id: int) -> None:
        """Raise `NotAllowed` where this member does not let whoever asks edit their images."""
        if not permissions.is_owner(request, Target(owner_id=owner_id)):
            check_consent(request, await self.store.read(documents.preferences_of, [owner_id]))

    # --- the tray --------------------------------------------------------------------------------------------------

    async def add_to_tray(self, user_id: int, put: TrayItem) -> int:
        """Keep a reference for the member's next edit; how many there are now. Raise `InvalidRequest` where the tray is full."""
        return await self.store.write(tray.add, user_id, put, limit=TRAY_MAX, now=self.clock())

    async def clear_tray(self, user_id: int) -> int:
        """Empty the member's tray; how many images were in it."""
        return await self.store.write(tray.clear, user_id)
