"""The models of all providers, cached in the store and refreshed in the background."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from bot.core.clock import Clock
from bot.core.errors import EaselError, MachineTrouble, ProviderAccount, ProviderBusy, ProviderError
from bot.core.running.executors import BoundedExecutor
from bot.core.running.supervision import Loop, Loops, pause, resting
from bot.domain.catalog.costs import needs_estimate, with_estimate
from bot.domain.catalog.models import Catalog, ModelInfo, Slots, makes_images, takes_prompt
from bot.domain.catalog.reading import id_of, is_quick
from bot.providers.explanations import ACCOUNT_DO
from bot.providers.provider import Provider
from bot.store import kv
from bot.store.engine.base import Store, Topic, announce

log = structlog.get_logger(__name__)

_KV_PREFIX = "models:"  # followed by the provider's name
_ESTIMATES_AT_ONCE = 4
_USUAL_PROMPT_BYTES = 256

Raw = Sequence[Mapping[str, Any]]


class Models:
    """The current `Catalog` of all providers. An unavailable provider keeps its last list, because model names depend on all lists."""

    def __init__(
        self,
        *,
        store: Store,
        providers: Mapping[str, Provider],
        read: Callable[[Mapping[str, Raw]], Catalog],
        reading: BoundedExecutor,
        clock: Clock,
        refresh_s: float = 3600,
        retry_s: float = 30,
    ) -> None:
        """`providers` by name, in a stable order: of two models with the same name, the later provider's is marked."""
        self._store = store
        self._providers = providers
        self._read = read
        self._reading = reading
        self._publishing = asyncio.Lock()
        self._clock = clock
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._refused: set[str] = set()  # providers that refuse the account, as the operator was told
        self._lists: dict[str, Raw] = dict.fromkeys(providers, ())
        self._catalog = read(self._lists)
        self._known = asyncio.Event()
        self._stale: set[str | None] = set()  # lists that another process has refreshed; None: any
        self._refreshed = store.subscribe(Topic.MODELS)
        store.when_changed_elsewhere(Topic.MODELS, self._stale.add)

    @property
    def catalog(self) -> Catalog:
        """The models of the last refresh. Raises `ProviderBusy` if no list was ever read."""
        if not self._catalog.models:
            raise ProviderBusy("The list of models has not been read yet; the image service does not answer. Please try again in a minute.")
        return self._catalog

    @property
    def offered(self) -> Sequence[ModelInfo]:
        """The models of the last refresh; empty if no list was ever read."""
        return self._catalog.models

    async def wait_known(self, *, timeout_s: float) -> bool:
        """Wait until a list of models is known. False if none is after this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await self._known.wait()
        return False

    def title(self, model_id: str) -> str:
        """A model's title, or its id if it is no longer offered."""
        return self._catalog.title(model_id)

    def slots(self, api_id: str, provider: str) -> Slots:
        """Which parameters of a provider's model take the seed and the references."""
        return self._catalog.slots(api_id, provider)

    async def load(self) -> None:
        """Load the lists of the last run, so that commands work before the image APIs respond."""
        for name in self._providers:
            await self._load(name)
        await self._read_lists()

    async def refresh(self, name: str) -> None:
        """Read one provider's list. Raises `ProviderError` if that fails; the old list stays."""
        raw: Raw = list(await self._providers[name].models())
        if raw:
            if not self._lists[name]:
                await self._publish(name, raw)  # the first list does not wait for estimates
            await self._publish(name, await with_estimates(self._providers[name], raw))

    async def follow(self) -> None:
        """Load the lists that another process has refreshed, until cancelled."""
        while True:
            with resting():
                await self._refreshed.wait(timeout_s=self._refresh_s)
            stale = set(self._stale)
            self._stale.clear()
            for name in self._providers.keys() if None in stale else self._providers.keys() & stale:
                await self._load(name)
            if stale:
                await self._read_lists()

    async def _load(self, name: str) -> None:
        kept = await self._store.read(kv.get, f"{_KV_PREFIX}{name}")
        self._lists[name] = kept if isinstance(kept, list) else ()

    async def _publish(self, name: str, raw: Raw) -> None:
        async with self._publishing:  # so that what is stored was read, and what is left out is not stored
            self._lists[name] = raw
            await self._read_lists()
            await self._store.write(_keep, name, self._lists[name], self._clock())

    async def _read_lists(self) -> None:
        """Read the current lists, long ones in a thread. What is left out is removed, so that the next start does not read it again."""
        async with self._reading.turn("models"):
            lists = dict(self._lists)
            quick = is_quick(raw for models in lists.values() for raw in models)
            self._catalog = catalog = self._read_kept(lists) if quick else await self._reading.call(self._read_long, lists)
            if catalog.models:
                self._known.set()
            for provider, left_out in catalog.left_out.items():
                for model in left_out:
                    log.warning("model left out", provider=provider, model=model.id, reason=model.reason)
                if left_out and self._lists[provider] is lists[provider]:  # else it was refreshed meanwhile, and waits to be read
                    self._lists[provider] = _without(lists[provider], {model.id for model in left_out})

    def _read_kept(self, lists: Mapping[str, Raw]) -> Catalog:
        return self._read(lists).keeping(self._catalog)

    def _read_long(self, lists: Mapping[str, Raw]) -> Catalog:
        """Also prepares models whose schemas are large, which would hold the loop at their first order."""
        catalog = self._read_kept(lists)
        for model in catalog.models:
            if not is_quick([model.schema]):
                _ = model.options, model.validator
        return catalog

    @property
    def loops(self) -> Loops:
        """One for each provider, which refreshes its list periodically."""
        return {f"models {name}": Loop(run=partial(self._keep_fresh, name)) for name in self._providers}

    async def _keep_fresh(self, name: str) -> None:
        while True:
            pause_s = self._refresh_s
            try:
                await self.refresh(name)
            except (ProviderError, MachineTrouble) as error:
                self._tell(name, error)
                pause_s = self._retry_s
            else:
                self._tell(name, None)
            await pause(pause_s)

    def _tell(self, name: str, error: EaselError | None) -> None:
        """A refused account is told to the operator once, until the list is read again."""
        if isinstance(error, ProviderAccount) and name not in self._refused:
            self._refused.add(name)
            log.critical("models not refreshed", provider=name, reason=error.detail or error.sentence, do=ACCOUNT_DO)
        elif error is not None:
            log.warning("models not refreshed", provider=name, reason=error.sentence)
        elif name in self._refused:
            self._refused.remove(name)
            log.warning("models not refreshed is over", provider=name)


def _keep(conn: Connection, name: str, raw: Raw, now: int) -> None:
    kv.put(conn, f"{_KV_PREFIX}{name}", raw, now)
    announce(conn, Topic.MODELS, name)


def _without(models: Raw, ids: Container[str]) -> Raw:
    return [raw for raw in models if not (isinstance(raw, Mapping) and id_of(raw) in ids)]


async def with_estimates(provider: Provider, raw: Raw) -> Raw:
    """The models; those without a price per image with an estimate of the default options, if there is one, for lists."""
    turn = asyncio.Semaphore(_ESTIMATES_AT_ONCE)

    async def estimated(model: Mapping[str, Any]) -> Mapping[str, Any]:
        if not isinstance(model, Mapping) or not makes_images(model) or not needs_estimate(model):
            return model
        try:
            async with turn:
                prompt_bytes = _USUAL_PROMPT_BYTES if takes_prompt(model) else 0
                usd = await provider.estimate(str(model.get("id")), {}, prompt_bytes=prompt_bytes)
        except (ProviderError, MachineTrouble):
            return model
        return model if usd is None else with_estimate(model, usd)

    return await asyncio.gather(*map(estimated, raw))
