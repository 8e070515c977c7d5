"""The models of all providers, kept in the store and refreshed in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from bot.core.clock import Clock
from bot.core.errors import ProviderBusy, ProviderError
from bot.domain.catalog.models import Catalog, ModelInfo, Slots
from bot.providers.provider import Provider
from bot.store import kv
from bot.store.engine.base import Store

log = structlog.get_logger(__name__)

_KEEPSAKE = "models:"  # and the provider's name

Raw = Sequence[Mapping[str, Any]]


class Models:
    """Holds the current `Catalog` of all providers. One that is away keeps its last known list, since names follow from all of them."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        read: Callable[[Mapping[str, Raw]], Catalog],
        clock: Clock,
        refresh_s: float = 3600,
        retry_s: float = 30,
    ) -> None:
        """`providers` by name, in an order that stays: where two offer a model of the same name, the later one's is marked."""
        self._store = store
        self._providers = providers
        self._read = read
        self._clock = clock
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._lists: dict[str, Raw] = dict.fromkeys(providers, ())
        self._catalog = read(self._lists)

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

    def slots(self, api_id: str, provider: str) -> Slots:
        """Where a provider's model wants its seed and references."""
        return self._catalog.slots(api_id, provider)

    async def load(self) -> None:
        """Take what the last run kept, so that commands work before the image APIs answer."""
        for name in self._providers:
            kept = await self._store.read(kv.get, f"{_KEEPSAKE}{name}")
            self._lists[name] = kept if isinstance(kept, list) else ()
        self._catalog = self._read(self._lists)

    async def refresh(self, name: str) -> None:
        """Ask one provider once. Raise `ProviderError` where it does not answer; its old list stays."""
        raw = list(await self._providers[name].models())
        if raw:
            self._lists[name] = raw
            self._catalog = self._read(self._lists)
            await self._store.write(kv.put, f"{_KEEPSAKE}{name}", raw, self._clock())

    async def run(self) -> None:
        """Refresh each provider's list now and then, for ever."""
        async with asyncio.TaskGroup() as group:
            for name in self._providers:
                group.create_task(self._keep_fresh(name), name=f"models of {name}")

    async def _keep_fresh(self, name: str) -> None:
        while True:
            pause_s = self._refresh_s
            try:
                await self.refresh(name)
            except ProviderError as error:
                log.warning("models not refreshed", provider=name, reason=error.sentence)
                pause_s = self._retry_s
            await asyncio.sleep(pause_s)
