"""`python -m bot doctor --live`: try against the real services what only a paid call shows.

It works beside a running bot: it needs no connection to the gateway, and never opens the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Self

import aiohttp

from bot.core.config import Settings
from bot.core.errors import EaselError, ProviderError
from bot.core.log import Redactor
from bot.core.settings.endpoints import ProviderSettings
from bot.domain.catalog.models import Slots
from bot.domain.money import quota
from bot.media.fetch import Fetcher
from bot.ops.findings import Finding, Severity, bad, ok, skip
from bot.ops.live_discord import LiveChannel
from bot.ops.live_images import LiveTiming, LiveTrial, ReferenceLink, TrialModel, choose, small_image, told
from bot.providers.factory import image_apis_of, providers_of, reader_of, result_rules
from bot.providers.http import open_session
from bot.providers.provider import Provider

NO_CHANNEL: Final = (
    "doctor --live posts in a channel: add --channel and its id. Turn on Developer Mode in Discord's advanced settings,"
    " then right-click a channel that the bot may post in > Copy Channel ID."
)
NO_TERMINAL: Final = "doctor --live asks before it spends money, and there is no terminal to ask at. Nothing was done; add --yes to agree."

_MB: Final = 1_000_000
_USUAL: Final = LiveTiming()

Show = Callable[[Finding], object]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be tried. As text it says so, with the cost and the channel."""

    settings: Settings = field(repr=False)
    channel_id: int
    channel_name: str
    choices: Mapping[str, TrialModel | Finding]  # by the image API's name; a finding says why it is not tried

    def __str__(self) -> str:
        lines = [f"This posts two messages in {self.channel_name}, deletes them after a minute or so, and creates images that you pay for:"]
        titles = {api.name: api.title for api in self.settings.providers}
        for name, choice in self.choices.items():
            if isinstance(choice, TrialModel):
                cost = f"${quota.in_usd(choice.cost, self.settings.credit_usd).normalize():f}"
                twice = "; one more is cancelled at once, and costs the same if that is charged" if choice.cancels else ""
                lines.append(f"  {titles[name]}: one image of {choice.model.title}, about {cost}{twice}.")
        return "\n".join(lines)


async def plan_of(settings: Settings, channel_id: int) -> Plan:
    """Find the channel and the cheapest models; that costs nothing. Raises `EaselError`."""
    async with LiveChannel.open(settings, channel_id) as channel, _Clients.open(settings, {}) as clients:
        choices = {api.name: await clients.choose(api.name) for api in settings.providers}
        return Plan(settings=settings, channel_id=channel_id, channel_name=channel.name, choices=choices)


async def examine_live(plan: Plan, *, show: Show, timing: LiveTiming = _USUAL) -> bool:
    """Try everything, show a line for each, and return whether none is bad. What was posted is deleted. Raises `EaselError`."""
    redact, severities = Redactor(plan.settings.secrets), set[Severity]()

    def tell(*findings: Finding) -> None:
        for finding in findings:
            severities.add(finding.severity)
            show(replace(finding, text=redact(finding.text)))

    image = await asyncio.to_thread(small_image)
    async with LiveChannel.open(plan.settings, plan.channel_id) as channel, _Clients.open(plan.settings, plan.choices) as clients:
        try:
            reference, posted = await _post(channel, image)
            tell(posted)
            tell(await _of_discord("edit", channel.check_edit(image)))
            tell(await _of_discord("attachments", channel.check_attachments()))
            for api in plan.settings.providers:
                tell(*await clients.examine(api, plan.choices[api.name], reference, timing))
        finally:
            left = await channel.clean_up()
            tell(*([] if left is None else [replace(left, check="Discord, clean-up")]))
    return Severity.BAD not in severities


@dataclass(frozen=True, kw_only=True)
class _Clients:
    """The clients of the image APIs, as the bot builds them."""

    settings: Settings
    session: aiohttp.ClientSession
    providers: Mapping[str, Provider]
    fetchers: Mapping[str, Fetcher]

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, choices: Mapping[str, TrialModel | Finding]) -> AsyncGenerator[Self]:
        """`choices` by the image API's name; empty before the models are read."""

        def slots(_api_id: str, provider: str) -> Slots:
            choice = choices.get(provider)
            return choice.model.slots if isinstance(choice, TrialModel) else Slots()

        apis, max_bytes = image_apis_of(settings), int(settings.result_max_mb * _MB)
        async with open_session() as session, AsyncExitStack() as stack:
            rules = result_rules(apis, more_hosts=settings.result_hosts)
            fetchers = {
                name: await stack.enter_async_context(Fetcher(rules=each, proxies=settings.proxies))  # without the key
                for name, each in rules.items()
            }
            fetch = {name: partial(each.fetch_bytes, max_bytes=max_bytes) for name, each in fetchers.items()}
            providers = providers_of(apis, session=session, fetch=fetch, max_result_bytes=max_bytes, slots=slots, proxies=settings.proxies)
            yield cls(settings=settings, session=session, providers=providers, fetchers=fetchers)

    async def choose(self, name: str) -> TrialModel | Finding:
        """The model to try, or why there is none."""
        try:
            models = await self.providers[name].models()
        except ProviderError as error:
            return bad(f"they can't be read: {told(error)} Run `doctor` without --live first.")
        catalog = await asyncio.to_thread(reader_of(self.settings), {name: models})
        has_queue = self.providers[name].queues
        choice = choose(catalog, name, references=has_queue)
        if choice is not None:
            return replace(choice, cancels=has_queue and choice.model.takes_references)
        return skip("none that creates images from a prompt alone has a price; see MODEL_PRICES.")

    async def examine(
        self, api: ProviderSettings, choice: TrialModel | Finding, reference: ReferenceLink, timing: LiveTiming
    ) -> list[Finding]:
        if isinstance(choice, Finding):
            return [replace(choice, check=f"{api.title}, models")]
        trial = LiveTrial(
            settings=self.settings,
            api=api,
            provider=self.providers[api.name],
            choice=choice,
            reference=reference,
            fetcher=self.fetchers[api.name],
            session=self.session,
            timing=timing,
        )
        return await trial.run()


async def _post(channel: LiveChannel, image: bytes) -> tuple[ReferenceLink, Finding]:
    """The link to the image that was posted, and whether that worked."""
    try:
        link = await channel.post(image)
    except EaselError as error:
        reason = "not checked, because Discord took no image."
        return ReferenceLink(reason=reason), replace(
            bad(f"no image could be posted in {channel.name}: {error.sentence}"), check="Discord, post"
        )
    return ReferenceLink(link=link), replace(ok(f"an image was posted in {channel.name}."), check="Discord, post")


async def _of_discord(name: str, check: Awaitable[Finding]) -> Finding:
    try:
        finding = await check
    except EaselError as error:
        finding = bad(f"it failed: {error.sentence}")
    return replace(finding, check=f"Discord, {name}")
