"""The model catalogue as the house knows it: kept in the store, refreshed in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from bot.clock import Clock
from bot.errors import ProviderBusy, ProviderError
from bot.images.catalog import Catalog, ModelInfo
from bot.images.provider import Provider, Slots
from bot.store import keepsakes
from bot.store.engine import Store

log = structlog.get_logger(__name__)

_KEEPSAKE = "models"


class Models:
    """Holds the current `Catalog`; never empty-handed once it was filled."""

    def __init__(
        self,
        *,
        store: Store,
        provider: Provider,
        read: Callable[[Sequence[Any]], Catalog],
        clock: Clock,
        refresh_s: float = 3600,
        retry_s: float = 30,
    ) -> None:
        self._store = store
        self._provider = provider
        self._read = read
        self._clock = clock
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._catalog = read([])

    @property
    def catalog(self) -> Catalog:
        """The models as last seen. Raise `ProviderBusy` where none were ever seen."""
        if not self._catalog.models:
            raise ProviderBusy("The list of models has not been read yet; the image service does not answer. Please try again in a minute.")
        return self._catalog

    @property
    def offered(self) -> Sequence[ModelInfo]:
        """The models as last seen; none before the first answer."""
        return self._catalog.models

    def title(self, model_id: str) -> str:
        """A model's name for people, or its id where it is no longer on offer."""
        return next((model.title for model in self._catalog.models if model.id == model_id), model_id)

    def slots(self, model_id: str) -> Slots:
        """Where a model wants its seed and references."""
        return self._catalog.slots(model_id)

    async def load(self) -> None:
        """Take what the last run kept, so that commands work before the image API answers."""
        kept = await self._store.read(keepsakes.get, _KEEPSAKE)
        if isinstance(kept, list):
            self._catalog = self._read(kept)

    async def refresh(self) -> None:
        """Ask the image API once. Raise `ProviderError` where it does not answer; the old list stays."""
        raw = list(await self._provider.models())
        catalog = self._read(raw)
        if catalog.models:
            self._catalog = catalog
            await self._store.write(keepsakes.put, _KEEPSAKE, raw, self._clock())

    async def run(self) -> None:
        """Refresh now and then, for ever."""
        while True:
            pause_s = self._refresh_s
            try:
                await self.refresh()
            except ProviderError as error:
                log.warning("models not refreshed", reason=error.sentence)
                pause_s = self._retry_s
            await asyncio.sleep(pause_s)
