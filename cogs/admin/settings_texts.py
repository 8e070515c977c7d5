"""A guild's settings in words, by subject. Commands and the panel use the same texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.domain.guild.document import Policy
from bot.domain.guild.labels import rule_label
from bot.domain.guild.sections import BucketSetting, Everyone, Offence, OnDown, RoleRule, StrikeStep
from bot.domain.money.quota import MICRO
from bot.domain.prompts.rules import ListName
from cogs.kit.texts import amount_of, quoted

Titles = Callable[[str], str]

OFFENCES: Mapping[Offence, str] = {
    Offence.PROMPT_BLOCKED: N_("blocked prompt"),
    Offence.RESULT_BLOCKED: N_("blocked image"),
    Offence.PICTURE_DELETED: N_("deleted image"),
    Offence.FALSE_FLAG: N_("false flag"),
}

# Names of choices in commands, which Discord shows. Translated with the context "choice".
LIST_CHOICES: Mapping[ListName, str] = {ListName.ALLOW: "Allow", ListName.FLAG: "Flag", ListName.BLOCK: "Block"}
ON_DOWN_CHOICES: Mapping[OnDown, str] = {
    OnDown.HOLD: "Wait until it answers",
    OnDown.ALLOW: "Allow without a check",
    OnDown.REFUSE: "Block",
}
OFFENCE_CHOICES: Mapping[Offence, str] = {
    Offence.PROMPT_BLOCKED: "Blocked prompt",
    Offence.RESULT_BLOCKED: "Blocked image",
    Offence.PICTURE_DELETED: "Deleted image",
    Offence.FALSE_FLAG: "False flag",
}

_NAMED = 12  # roles, channels or models in a line


# --- images ----------------------------------------------------------------------------------------------------------


def paused(policy: Policy) -> str:
    if not policy.pause.on:
        return _("▶️ Image creation is on.")
    if policy.pause.reason:
        return _("⏸️ Image creation is paused: {reason}").format(reason=quoted(policy.pause.reason))
    return _("⏸️ Image creation is paused.")


def channels(policy: Policy) -> str:
    allowed, denied = (_channels(each) for each in (policy.channels.allowed, policy.channels.denied))
    if allowed and denied:
        return _("Images can be created in {allowed}, but not in {denied}.").format(allowed=allowed, denied=denied)
    if allowed:
        return _("Images can only be created in {allowed}.").format(allowed=allowed)
    if denied:
        return _("Images can be created everywhere except {denied}.").format(denied=denied)
    return _("Images can be created in every channel that Easel can see.")


def everyone(policy: Policy, title_of: Titles) -> str:
    rule = policy.everyone
    facts = [_models(rule.models, title_of), *_facts(rule), _("private allowed") if rule.private else _("no private images")]
    return _("**Everyone** {facts}").format(facts=" · ".join(facts))


def models(policy: Policy, title_of: Titles) -> str:
    return _("Models for everyone: {models}").format(models=_models(policy.everyone.models, title_of))


def role(policy: Policy, role_id: int, title_of: Titles) -> str:
    rule = policy.roles.get(role_id)
    if rule is None:
        return _("{role} has no limits of its own. The limits for everyone apply.").format(role=f"<@&{role_id}>")
    private = [] if rule.private is None else [_("private allowed") if rule.private else _("no private images")]
    models = [] if rule.models is None else [_models(rule.models, title_of)]
    facts = " · ".join([*models, *_facts(rule), *private]) or _("same as everyone")
    return f"<@&{role_id}> {facts}"


def roles(policy: Policy, title_of: Titles) -> str:
    lines = [role(policy, role_id, title_of) for role_id in list(policy.roles)[:_NAMED]]
    more = len(policy.roles) - len(lines)
    return "\n".join(
        [*lines, *([ngettext("and {count} more role", "and {count} more roles", more).format(count=more)] if more > 0 else [])]
    )


def idle(settings: Sequence[tuple[int, str]], role_id: int) -> str:
    """The settings of a role that have no effect."""
    limits = ", ".join(rule_label(name) for each, name in settings if each == role_id)
    return "-# " + _("No effect, because everyone has at least as much: {limits}.").format(limits=limits) if limits else ""


def members(policy: Policy) -> str:
    return "\n".join(_members(policy))


def _members(policy: Policy) -> Iterator[str]:
    hours = policy.newcomers.wait_hours
    waiting = ngettext(
        "New members wait {count} hour before they can create images.",
        "New members wait {count} hours before they can create images.",
        hours,
    ).format(count=hours)
    yield waiting if hours else _("New members can create images right away.")
    yield _("Members can give each other credits.") if policy.gifts.on else _("Members can't give each other credits.")
    by = policy.gifts.by_reaction
    if by is not None:
        yield _("Reacting with {emoji} gives {amount}.").format(emoji=by.emoji, amount=amount_of(int(by.credits * MICRO)))
    yield _("Members can sponsor images for everyone in a channel.") if policy.sponsoring.on else _("Members can't sponsor images.")
    yield _("The leaderboard is on. Members can opt out.") if policy.leaderboard else _("The leaderboard is off.")


def age_restricted(policy: Policy) -> str:
    rule = policy.age_restricted
    shown = _("Flagged images are shown without a spoiler in age-restricted channels.")
    hidden = _("Flagged images always get a spoiler.")
    off = _("Members can turn a model's safety checker off in age-restricted channels.")
    on = _("A model's safety checker always stays on.")
    return f"{shown if rule.unspoilered else hidden}\n{off if rule.unchecked else on}"


# --- money -----------------------------------------------------------------------------------------------------------


def pool(policy: Policy) -> str:
    if policy.pool is None:
        return _("There's no shared pool. Members use their own credits.")
    held = _("Members without credits from a role share a pool: {pool}.").format(pool=_bucket(policy.pool))
    if not policy.slow_lane.on:
        return " ".join([held, _("The slow lane is off.")])
    slow = _("Members who run out of credits use a slow lane, which can use up to {percent}% of the pool.")
    return f"{held} {slow.format(percent=policy.slow_lane.share_percent)}"


def price(policy: Policy, model_id: str, title: str) -> str:
    amount = policy.price_microcredits(model_id)
    if amount is None:
        return _("{model} costs its normal price here.").format(model=quoted(title))
    return _("An image with {model} costs {amount} here.").format(model=quoted(title), amount=amount_of(amount))


def granted(member_id: int | None, amount: int, note: str | None) -> str:
    given = amount_of(amount)
    if member_id is None:
        sentence = _("🎁 Added {amount} to the shared pool.").format(amount=given)
    else:
        sentence = _("🎁 Granted {member} {amount}.").format(member=f"<@{member_id}>", amount=given)
    return f"{sentence}\n-# {quoted(note)}" if note else sentence


# --- conduct ---------------------------------------------------------------------------------------------------------


def rules(policy: Policy) -> str:
    """The number of rules by kind."""
    names = {ListName.BLOCK: _("⛔ block"), ListName.FLAG: _("🚩 flag"), ListName.ALLOW: _("✅ allow")}
    counts = " · ".join(f"{label} {len(policy.prompts.list(name).entries)}" for name, label in names.items())
    hashes = len(policy.known_bad.hashes)
    known = ngettext("{count} blocked image", "{count} blocked images", hashes).format(count=hashes)
    return f"{counts} · 🖼️ {known}"


def checks(policy: Policy) -> str:
    what = [name for name, on in ((_("prompts"), policy.checks.prompts), (_("images"), policy.checks.results)) if on]
    if not what:
        return _("The content check is off.")
    thresholds = policy.checks.thresholds
    line = _("The content check covers {what}. It flags at a score of {flag} and blocks at {block}.").format(
        what=", ".join(what), flag=thresholds.flag, block=thresholds.block
    )
    own = [f"{name} {each.flag}/{each.block}" for name, each in policy.checks.categories.items()]
    return "\n".join([line, *([", ".join(own)] if own else []), _on_down(policy.checks.on_down)])


def _on_down(on_down: OnDown) -> str:
    return {
        OnDown.HOLD: _("If it's unavailable, images wait for it."),
        OnDown.ALLOW: _("If it's unavailable, images are created unchecked."),
        OnDown.REFUSE: _("If it's unavailable, requests are refused."),
    }[on_down]


def flags(policy: Policy) -> str:
    rule = policy.flags
    if not rule.on:
        return _("🏳️ Flags are off.")
    line = ngettext(
        "🚩 {count} flag hides an image and opens a case.", "🚩 {count} flags hide an image and open a case.", rule.quorum
    ).format(count=rule.quorum)
    named = ", ".join(f"<@&{each}>" for each in rule.role_ids[:_NAMED])
    days = ngettext(
        "A member's flags count after {days} day on this server.",
        "A member's flags count after {days} days on this server.",
        rule.after_days,
    )
    who = days.format(days=rule.after_days) if rule.after_days else _("Every member's flags count.")
    at_once = _("Flags from {roles} count right away.").format(roles=named) if named else ""
    locked = _("🔒 Flags are locked. They're stored, and count once you unlock them.") if rule.locked else ""
    return "\n".join(filter(None, [line, who, at_once, locked]))


def strikes(policy: Policy) -> str:
    rule = policy.strikes
    faded = ngettext("A strike counts half after {count} day.", "A strike counts half after {count} days.", rule.half_life_days).format(
        count=rule.half_life_days
    )
    weights = " · ".join(f"{_(OFFENCES[offence])} {number(rule.weight(offence))}" for offence in Offence)
    return f"⚖️ {faded}\n-# {weights}\n-# {lockouts(rule.steps)}"


def lockouts(steps: Sequence[StrikeStep]) -> str:
    """From how many points on members are blocked, and for how long."""
    lines = (_("{points} points: blocked for {hours} h").format(points=number(step.points), hours=step.hours) for step in steps)
    return " · ".join(lines) or _("strikes don't block anyone")


def gallery(policy: Policy) -> str:
    rule = policy.gallery
    if rule.channel_id is None:
        return _("The gallery is off.")
    line = ngettext(
        "Images with {count} ⭐ from other members are shown in {channel}.",
        "Images with {count} ⭐ from other members are shown in {channel}.",
        rule.stars,
    ).format(count=rule.stars, channel=f"<#{rule.channel_id}>")
    reward = int(rule.reward * MICRO)
    return " ".join([line, _("Their authors get {amount}.").format(amount=amount_of(reward))]) if reward else line


def log(policy: Policy) -> str:
    if policy.log_channel_id is None:
        return _("The image log is off.")
    return _("Every image is logged in {channel}.").format(channel=f"<#{policy.log_channel_id}>")


def cases(policy: Policy) -> str:
    if policy.cases_channel_id is None:
        return _("There's no cases channel. Cases are listed in `/imagemod cases`.")
    return _("Cases are posted in {channel}.").format(channel=f"<#{policy.cases_channel_id}>")


def moderators(policy: Policy) -> str:
    named = ", ".join(f"<@&{each}>" for each in policy.moderator_role_ids[:_NAMED])
    if not named:
        return _("Moderators are members with the Manage Messages permission.")
    return _("Moderators are members with the Manage Messages permission, and {roles}.").format(roles=named)


# --- parts -----------------------------------------------------------------------------------------------------------


def _facts(rule: Everyone | RoleRule) -> Iterator[str]:
    """The limits that rules for everyone and for roles share."""
    if rule.max_count is not None:
        yield ngettext("{count} image per request", "{count} images per request", rule.max_count).format(count=rule.max_count)
    if rule.aspect_ratios is not None and rule.aspect_ratios != "all":
        yield ", ".join(rule.aspect_ratios) or _("no aspect ratio")
    if rule.max_megapixels is not None:
        yield _("up to {limit} MP").format(limit=number(rule.max_megapixels))
    if rule.bucket is not None:
        yield _bucket(rule.bucket)
    if rule.running is not None:
        yield _("{count} generating at once").format(count=rule.running)
    if rule.waiting is not None:
        yield _("{count} queued").format(count=rule.waiting)


def _models(models: str | Sequence[str], title_of: Titles) -> str:
    if isinstance(models, str):
        return _("all models")
    return ", ".join(quoted(title_of(each)) for each in models[:_NAMED]) or _("no models")


def _bucket(bucket: BucketSetting) -> str:
    return _("{size}, refilling by {refill} a day").format(
        size=amount_of(int(bucket.size * MICRO)), refill=amount_of(int(bucket.refill_per_day * MICRO))
    )


def _channels(ids: Sequence[int]) -> str:
    return ", ".join(f"<#{each}>" for each in ids[:_NAMED])
