"""A guild's settings in words, by subject. Commands and the panel use the same texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from bot.core.i18n import N_, _, ngettext
from bot.domain.guild.document import Policy
from bot.domain.guild.sections import BucketSetting, Everyone, Offence, OnDown, RoleRule
from bot.domain.money.quota import MICRO
from bot.domain.prompts.rules import ListName
from cogs.kit.texts import amount_of, quoted

Titles = Callable[[str], str]

OFFENCES: Mapping[Offence, str] = {
    Offence.PROMPT_BLOCKED: N_("blocked prompt"),
    Offence.RESULT_BLOCKED: N_("blocked result"),
    Offence.PICTURE_DELETED: N_("deleted picture"),
    Offence.FALSE_FLAG: N_("false flag"),
}

_NAMED = 12  # roles, channels or models in a line


# --- images ----------------------------------------------------------------------------------------------------------


def paused(policy: Policy) -> str:
    if not policy.pause.on:
        return _("▶️ Pictures can be ordered.")
    if policy.pause.reason:
        return _("⏸️ Pictures are paused: {reason}").format(reason=quoted(policy.pause.reason))
    return _("⏸️ Pictures are paused.")


def channels(policy: Policy) -> str:
    allowed, denied = (_channels(each) for each in (policy.channels.allowed, policy.channels.denied))
    if allowed and denied:
        return _("Pictures are made in {allowed}, and never in {denied}.").format(allowed=allowed, denied=denied)
    if allowed:
        return _("Pictures are made in {allowed} and nowhere else.").format(allowed=allowed)
    if denied:
        return _("Pictures are made everywhere but in {denied}.").format(denied=denied)
    return _("Pictures are made in every channel that Easel can see.")


def everyone(policy: Policy, title_of: Titles) -> str:
    rule = policy.everyone
    facts = [_models(rule.models, title_of), *_facts(rule), _("private allowed") if rule.private else _("never private")]
    return _("**Everyone** {facts}").format(facts=" · ".join(facts))


def models(policy: Policy, title_of: Titles) -> str:
    return _("Models for everyone: {models}").format(models=_models(policy.everyone.models, title_of))


def role(policy: Policy, role_id: int, title_of: Titles) -> str:
    rule = policy.roles.get(role_id)
    if rule is None:
        return _("{role} has no rules of its own: what holds for everyone holds for it.").format(role=f"<@&{role_id}>")
    private = [] if rule.private is None else [_("private allowed") if rule.private else _("never private")]
    models = [] if rule.models is None else [_models(rule.models, title_of)]
    facts = " · ".join([*models, *_facts(rule), *private]) or _("nothing beyond what everyone has")
    return f"<@&{role_id}> {facts}"


def roles(policy: Policy, title_of: Titles) -> str:
    lines = [role(policy, role_id, title_of) for role_id in list(policy.roles)[:_NAMED]]
    more = len(policy.roles) - len(lines)
    return "\n".join(
        [*lines, *([ngettext("and {count} more role", "and {count} more roles", more).format(count=more)] if more > 0 else [])]
    )


def idle(settings: Sequence[tuple[int, str]], role_id: int) -> str:
    """The settings of a role that have no effect."""
    names = ", ".join(f"`{name}`" for each, name in settings if each == role_id)
    if not names:
        return ""
    return "-# " + _("Everyone has as much already, so this changes nothing: {names}. Roles only ever add.").format(names=names)


def members(policy: Policy) -> str:
    return "\n".join(_members(policy))


def _members(policy: Policy) -> Iterator[str]:
    hours = policy.newcomers.wait_hours
    waiting = ngettext("New members wait {count} hour.", "New members wait {count} hours.", hours).format(count=hours)
    yield waiting if hours else _("New members do not wait.")
    yield _("Members may give credits to each other.") if policy.gifts.on else _("Members cannot give credits to each other.")
    by = policy.gifts.by_reaction
    if by is not None:
        yield _("Reacting with {emoji} gives {amount}.").format(emoji=by.emoji, amount=amount_of(int(by.credits * MICRO)))
    yield _("Members may pay for everybody in a thread.") if policy.sponsoring.on else _("Members cannot pay for others in a thread.")
    yield _("There is a leaderboard, which members can leave.") if policy.leaderboard else _("There is no leaderboard.")


def age_restricted(policy: Policy) -> str:
    rule = policy.age_restricted
    shown = _("Results of flagged prompts are shown in age-restricted channels without a spoiler.")
    hidden = _("Results of flagged prompts have a spoiler in every channel.")
    off = _("A model's own safety checker may be turned off in age-restricted channels.")
    on = _("A model's own safety checker stays on.")
    return f"{shown if rule.unspoilered else hidden}\n{off if rule.unchecked else on}"


# --- money -----------------------------------------------------------------------------------------------------------


def budget(dollars: float) -> str:
    return _("This server spends at most ${amount} a month, and not a cent more.").format(amount=f"{dollars:,.2f}")


def pool(policy: Policy) -> str:
    if policy.pool is None:
        return _("There is no shared pool: members pay from credits of their own.")
    held = _("Members without a role that has rules share a pool: {purse}.").format(purse=_bucket(policy.pool))
    if not policy.slow_lane.on:
        return " ".join([held, _("There is no slow lane.")])
    slow = _("Who is out of credit is served in a slow lane, from at most {percent} % of it.")
    return f"{held} {slow.format(percent=policy.slow_lane.share_percent)}"


def price(policy: Policy, model_id: str, title: str) -> str:
    amount = policy.price_microcredits(model_id)
    if amount is None:
        return _("A picture by {model} costs here what it is listed for.").format(model=quoted(title))
    return _("A picture by {model} costs {amount} here.").format(model=quoted(title), amount=amount_of(amount))


def granted(member_id: int | None, amount: int, note: str | None) -> str:
    given = amount_of(amount)
    if member_id is None:
        sentence = _("🎁 The shared pool has {amount} more.").format(amount=given)
    else:
        sentence = _("🎁 {member} has {amount} more.").format(member=f"<@{member_id}>", amount=given)
    return f"{sentence}\n-# {quoted(note)}" if note else sentence


# --- conduct ---------------------------------------------------------------------------------------------------------


def rules(policy: Policy) -> str:
    """The number of rules by kind."""
    names = {ListName.BLOCK: _("⛔ block"), ListName.FLAG: _("🚩 flag"), ListName.ALLOW: _("✅ allow")}
    counts = " · ".join(f"{label} {len(policy.prompts.list(name).entries)}" for name, label in names.items())
    hashes = len(policy.known_bad.hashes)
    known = ngettext("{count} known bad picture", "{count} known bad pictures", hashes).format(count=hashes)
    return f"{counts} · 🖼️ {known}"


def checks(policy: Policy) -> str:
    what = [name for name, on in ((_("prompts"), policy.checks.prompts), (_("results"), policy.checks.results)) if on]
    if not what:
        return _("No moderations endpoint is asked.")
    thresholds = policy.checks.thresholds
    line = _("The moderations endpoint looks at {what}: flagged from {flag}, blocked from {block}.").format(
        what=", ".join(what), flag=thresholds.flag, block=thresholds.block
    )
    own = [f"{name} {each.flag}/{each.block}" for name, each in policy.checks.categories.items()]
    return "\n".join([line, *([", ".join(own)] if own else []), _on_down(policy.checks.on_down)])


def _on_down(on_down: OnDown) -> str:
    return {
        OnDown.HOLD: _("While it does not answer, requests wait."),
        OnDown.ALLOW: _("While it does not answer, requests go on unchecked."),
        OnDown.REFUSE: _("While it does not answer, requests are refused."),
    }[on_down]


def flags(policy: Policy) -> str:
    rule = policy.flags
    if not rule.on:
        return _("🏳️ Flags are off.")
    line = ngettext(
        "🚩 {count} flag hides a picture and calls the moderators.", "🚩 {count} flags hide a picture and call the moderators.", rule.quorum
    ).format(count=rule.quorum)
    named = ", ".join(f"<@&{each}>" for each in rule.role_ids[:_NAMED])
    days = ngettext("They count after {days} day as a member.", "They count after {days} days as a member.", rule.after_days)
    who = days.format(days=rule.after_days) if rule.after_days else _("Every member's flag counts.")
    at_once = _("Those of {roles} count at once.").format(roles=named) if named else ""
    locked = _("🔒 They are locked: kept, and without effect until they are unlocked.") if rule.locked else ""
    return "\n".join(filter(None, [line, who, at_once, locked]))


def strikes(policy: Policy) -> str:
    rule = policy.strikes
    faded = ngettext("A strike counts half after {count} day.", "A strike counts half after {count} days.", rule.half_life_days).format(
        count=rule.half_life_days
    )
    weights = " · ".join(f"{_(OFFENCES[offence])} {rule.weight(offence):g}" for offence in Offence)
    steps = " · ".join(_("from {points} points {hours} h").format(points=f"{step.points:g}", hours=step.hours) for step in rule.steps) or _(
        "nobody is locked out for strikes"
    )
    return f"⚖️ {faded}\n-# {weights}\n-# {steps}"


def gallery(policy: Policy) -> str:
    rule = policy.gallery
    if rule.channel_id is None:
        return _("There is no gallery.")
    line = ngettext(
        "Pictures with {count} ⭐ of others are shown in {channel}.",
        "Pictures with {count} ⭐ of others are shown in {channel}.",
        rule.stars,
    ).format(count=rule.stars, channel=f"<#{rule.channel_id}>")
    reward = int(rule.reward * MICRO)
    return " ".join([line, _("Their makers get {amount}.").format(amount=amount_of(reward))]) if reward else line


def log(policy: Policy) -> str:
    if policy.log_channel_id is None:
        return _("Pictures are not logged in a channel.")
    return _("Every picture is logged in {channel}.").format(channel=f"<#{policy.log_channel_id}>")


def cases(policy: Policy) -> str:
    if policy.cases_channel_id is None:
        return _("Cases wait in `/imagemod cases`; no channel is set for them.")
    return _("Cases are shown in {channel}.").format(channel=f"<#{policy.cases_channel_id}>")


def moderators(policy: Policy) -> str:
    named = ", ".join(f"<@&{each}>" for each in policy.moderator_role_ids[:_NAMED])
    if not named:
        return _("Moderators are those who may manage messages.")
    return _("Moderators are those who may manage messages, and {roles}.").format(roles=named)


# --- parts -----------------------------------------------------------------------------------------------------------


def _facts(rule: Everyone | RoleRule) -> Iterator[str]:
    """The limits that rules for everyone and for roles share."""
    if rule.max_count is not None:
        yield ngettext("{count} picture at a time", "{count} pictures at a time", rule.max_count).format(count=rule.max_count)
    if rule.aspect_ratios is not None and rule.aspect_ratios != "all":
        yield ", ".join(rule.aspect_ratios) or _("no shape")
    if rule.max_megapixels is not None:
        yield _("at most {limit} MP").format(limit=f"{rule.max_megapixels:g}")
    if rule.bucket is not None:
        yield _bucket(rule.bucket)
    if rule.running is not None:
        yield _("{count} in the making").format(count=rule.running)
    if rule.waiting is not None:
        yield _("{count} waiting").format(count=rule.waiting)


def _models(models: str | Sequence[str], title_of: Titles) -> str:
    if isinstance(models, str):
        return _("all models")
    return ", ".join(quoted(title_of(each)) for each in models[:_NAMED]) or _("no model")


def _bucket(bucket: BucketSetting) -> str:
    return _("{size}, and {refill} back a day").format(
        size=amount_of(int(bucket.size * MICRO)), refill=amount_of(int(bucket.refill_per_day * MICRO))
    )


def _channels(ids: Sequence[int]) -> str:
    return ", ".join(f"<#{each}>" for each in ids[:_NAMED])
