"""A guild's policy as a JSON document: read from a file, changed by commands, exported.

Every setting is optional; unknown names are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.guild.fields import ChannelId, Credits, RoleId, Section, Usd
from bot.domain.guild.sections import (
    AgeRestricted,
    BucketSetting,
    Channels,
    Checks,
    Everyone,
    Flags,
    GalleryRules,
    Gifts,
    KnownBad,
    ModelName,
    Newcomers,
    Pause,
    RoleRule,
    SlowLane,
    Sponsoring,
    Strikes,
)
from bot.domain.guild.validation import sentences
from bot.domain.money.quota import MICRO
from bot.domain.prompts.rules import PromptRules

DOCUMENT_MAX: Final = 1024 * 1024  # bytes of a settings file
_VALUES_MAX: Final = 20_000  # of a settings file; one that uses every limit has 14,000
_DEPTH_MAX: Final = 10


class Policy(Section):
    """Everything that a guild's managers decide, with the defaults of a new guild."""

    version: Literal[1] = 1
    pause: Pause = Pause()
    channels: Channels = Channels()
    everyone: Everyone = Everyone()
    roles: Annotated[Mapping[RoleId, RoleRule], Field(max_length=100)] = {}  # by role id
    pool: BucketSetting | None = None  # shared by members without a role that has a rule; None: each has their own bucket
    usd_per_month: Usd | None = None  # hard limit; None: as much as the operator allows
    prices: Annotated[Mapping[ModelName, Credits], Field(max_length=200)] = {}  # credits per image by model, replacing the list price
    slow_lane: SlowLane = SlowLane()
    gifts: Gifts = Gifts()
    sponsoring: Sponsoring = Sponsoring()
    newcomers: Newcomers = Newcomers()
    age_restricted: AgeRestricted = AgeRestricted()
    prompts: PromptRules = PromptRules()
    checks: Checks = Checks()
    known_bad: KnownBad = KnownBad()
    strikes: Strikes = Strikes()
    flags: Flags = Flags()
    gallery: GalleryRules = GalleryRules()
    log_channel_id: ChannelId | None = None
    cases_channel_id: ChannelId | None = None  # the moderators' channel
    moderator_role_ids: tuple[RoleId, ...] = ()
    leaderboard: bool = False  # each member can opt out

    def price_microcredits(self, model: str) -> int | None:
        """The guild's price per image of this model; None: the list price."""
        price = self.prices.get(model)
        return None if price is None else int(price * MICRO)


def read(document: Mapping[str, Any], *, in_file: bool = True) -> Policy:
    """Parse a document. Raises `InvalidRequest` with one line per wrong value, which says where in a file it is."""
    try:
        return Policy.model_validate(document)
    except ValidationError as error:
        raise InvalidRequest("\n".join(sentences(error, Policy, in_file=in_file))) from error


def read_file(content: bytes) -> Policy:
    """Parse a settings file. Raises `InvalidRequest`. Takes tenths of a second: call it in a thread.

    Size and depth are checked first, because a sentence for each of many wrong values takes long.
    """
    if len(content) > DOCUMENT_MAX:
        raise InvalidRequest(_("That file is too large. A settings file can have up to {limit} KiB.").format(limit=DOCUMENT_MAX // 1024))
    if sum(map(content.count, (b",", b"[", b"{"))) > 5 * _VALUES_MAX:  # words hold commas, too
        raise _too_much()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(_("That file isn't valid JSON. Use /imageadmin export to get a file to start from.")) from error
    if not isinstance(document, dict):
        raise InvalidRequest(_("That file doesn't contain settings. Use /imageadmin export to get a file to start from."))
    _check_bounds(document)
    return read(document)


def _check_bounds(document: object) -> None:
    """Raise `InvalidRequest` if the document has too many values, or is too deep."""
    level, count = [document], 1
    for _depth in range(_DEPTH_MAX):
        level = [inner for each in level for inner in _inner(each)] if count <= _VALUES_MAX else level
        count += len(level)
    if level or count > _VALUES_MAX:
        raise _too_much()


def _too_much() -> InvalidRequest:
    return InvalidRequest(_("That file has too many values. A settings file can have up to {count}.").format(count=_VALUES_MAX))


def _inner(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def document(policy: Policy) -> dict[str, Any]:
    """The policy as JSON values, the inverse of `read`."""
    return policy.model_dump(mode="json")


def write_file(policy: Policy) -> bytes:
    """A settings file with every setting, indented."""
    return json.dumps(document(policy), indent=2, ensure_ascii=False).encode() + b"\n"


def changed(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """The policy with changes such as `{"pause": {"on": True}}` applied. Raises `InvalidRequest` as `read` does.

    None resets a setting to its default, or removes a role or price (RFC 7396, JSON Merge Patch).
    """
    return read(_patched(document(policy), changes), in_file=False)


def _patched(old: Any, changes: Mapping[Any, Any]) -> dict[str, Any]:
    result = dict(old) if isinstance(old, Mapping) else {}
    for key, value in changes.items():
        name = str(key)
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _patched(result.get(name), value) if isinstance(value, Mapping) else value
    return result
