"""Texts for managers beside the settings: the state in the panel, changes of settings, imports."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from bot.core.i18n import _, ngettext, pgettext
from bot.core.markdown import code
from bot.core.numbers import number
from bot.domain.catalog.options import show
from bot.domain.guild.differences import Difference
from bot.domain.guild.document import Policy
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId, Path, places
from bot.domain.guild.labels import in_quotes, label
from bot.domain.guild.settings import GuildSettings
from bot.domain.money import quota
from bot.domain.prompts.automod import ImportResult
from bot.domain.prompts.judge import CompiledRule, Level, RuleKind
from bot.domain.prompts.rules import ListName, WordList
from bot.services.admin import COUNTED_MAX, Overview
from cogs.admin.settings_texts import LIST_CHOICES, ON_DOWN_CHOICES, Titles
from cogs.kit.texts import CONTENT_MAX, PANEL_MAX, amount_of, meter, quoted
from cogs.money import usage_texts

_CENT = Decimal("0.01")
_BAR = 12  # characters of a meter
_LINES = 25  # changes listed
_ENTRIES = 6  # of one list
_VALUE = 80  # characters
_UNKNOWN_MAX = 300  # characters
_NONE_UNLESS_SET = ("pool.", "gifts.", "gallery.", "log_channel_id", "cases_channel_id")  # without them there is none; else: a default
_CHOICES: Mapping[str, Mapping[Any, str]] = {"checks.on_down": ON_DOWN_CHOICES, "prompts.too_slow": LIST_CHOICES}
_ID_DIGITS = 15  # Discord's ids have more


# --- the state -------------------------------------------------------------------------------------------------------


def money(overview: Overview) -> str:
    """The same sums as in `/usage`, the budget and the pool."""
    return "\n".join(filter(None, [*usage_texts.summary(overview.usage), _renews(overview), _pool(overview)]))


def budget_now(overview: Overview) -> str:
    """What is left of the budget."""
    account = overview.usage.budget
    return "" if account is None else f"{usage_texts.budget(account, overview.usage)}\n{_renews(overview)}"


def _renews(overview: Overview) -> str:
    return "-# " + _("The budget renews <t:{at}:R>.").format(at=overview.renews_at // 1000)


def budget(overview: Overview) -> str:
    """The answer after the budget was set: what is left of it, or from when on there is something."""
    account = overview.usage.budget
    if account is None:  # only in direct messages
        return ""
    now, size = account.statement, 0 if account.account.fills is None else account.account.fills.size
    sentence = _("Monthly budget set to ${size}.").format(size=_dollars(size, overview))
    if now.available > 0:
        rest = _("${left} is left until <t:{at}:D>.").format(left=_dollars(now.available, overview), at=overview.renews_at // 1000)
    else:
        used = _dollars(now.held + now.spent, overview)
        rest = _("${spent} is already spent, so no new images until <t:{at}:D>.").format(spent=used, at=overview.renews_at // 1000)
    return f"{sentence} {rest}"


def _pool(overview: Overview) -> str:
    if overview.pool is None or overview.policy.pool is None:
        return ""
    size = int(overview.policy.pool.size * quota.MICRO)
    bar = meter(overview.pool.available, overview.pool.held, size, width=_BAR)
    return _("**Pool** {meter} {left} of {size} left").format(
        meter=bar, left=quota.in_credits(overview.pool.available), size=amount_of(size)
    )


def _dollars(micro: int, overview: Overview) -> str:
    """Dollars and whole cents, rounded down so that the text never promises too much."""
    return number(quota.in_usd(micro, overview.usage.credit_usd).quantize(_CENT, ROUND_FLOOR), fixed=True)


def waiting(overview: Overview) -> str:
    """Open cases and current blocks."""
    cases = ngettext("{count} case needs a decision.", "{count} cases need a decision.", overview.open_cases)
    blocks = ngettext("{count} member is blocked.", "{count} members are blocked.", overview.blocks)
    return f"{cases.format(count=_counted(overview.open_cases))} {blocks.format(count=_counted(overview.blocks))}"


def _counted(count: int) -> str:
    return f"{count}+" if count >= COUNTED_MAX else str(count)


def cut(text: str, limit: int) -> str:
    """The whole lines that fit in `limit` characters. A first line that is too long is cut between words, which keeps mentions whole."""
    lines: list[str] = []
    left = limit - 2
    for line in text.split("\n"):
        if len(line) > left:
            words = "" if lines else line[: left + 1].rpartition(" ")[0]
            return "\n".join([*lines, f"{words} …".strip()])
        left -= len(line) + 1
        lines.append(line)
    return text


# --- what is gone ----------------------------------------------------------------------------------------------------


def gone(settings: GuildSettings) -> str:
    """The settings that name deleted channels and roles; empty if there are none."""
    if not settings.gone:
        return ""
    named = _settings_with(settings.policy, settings.gone_in_policy(settings.gone))
    return _("⚠️ Deleted, but still in the settings: {settings}.").format(settings=named)


def gone_notice(server: str, policy: Policy, gone: Collection[NamedId]) -> str:
    """The notice to managers, once."""
    sentence = _(
        "⚠️ On {server}, a channel or role in Easel's settings was deleted ({settings}). Choose another with `/imageadmin`, or remove it"
        " with `/imageadmin deleted`."
    )
    return sentence.format(server=quoted(server), settings=_settings_with(policy, gone))


def no_channel_notice(server: str) -> str:
    """Tells managers, once, that a report waits."""
    sentence = _(
        "🚩 A member of {server} reported an image. The report waits in `/imagemod cases`, because no channel for cases is set. Choose one"
        " that only moderators can read with `/imageadmin cases`, and reports are posted there."
    )
    return sentence.format(server=quoted(server))


def gone_choices(settings: GuildSettings) -> Mapping[str, str]:
    """The name of each deleted channel and role with the first setting that names it, by id."""
    found: dict[str, str] = {}
    for named, path in places(settings.policy):
        if named.id in settings.gone:
            found.setdefault(str(named.id), f"{_label_at(path)}: {deleted_name(named.kind, named.id)}")
    return found


def gone_removed(names: Iterable[str], channels: str) -> str:
    """The answer after they were removed. `channels`: where images can be created now, if that changed."""
    removed = "\n".join([_("✅ Removed from the settings:"), *(f"- {name}" for name in names)])
    return "\n".join(filter(None, [cut(removed, CONTENT_MAX - len(channels) - 1), channels]))


def deleted_name(kind: IdKind, deleted_id: int) -> str:
    name = _("deleted channel ({id})") if kind is IdKind.CHANNEL else _("deleted role ({id})")
    return name.format(id=deleted_id)


def without_mentions(text: str, settings: GuildSettings) -> str:
    """The text with names in place of mentions of what is gone, which Discord would show as unknown."""
    for each in settings.gone:
        text = text.replace(f"<#{each}>", deleted_name(IdKind.CHANNEL, each)).replace(f"<@&{each}>", deleted_name(IdKind.ROLE, each))
    return text


def _settings_with(policy: Policy, gone: Collection[NamedId]) -> str:
    return ", ".join(dict.fromkeys(_label_at(path) for named, path in places(policy) if named in gone))


def _label_at(path: Path) -> str:
    """The label of the setting or, for a part of a role's limits, of the group."""
    names = [step for step in path if isinstance(step, str)]
    return label(".".join(names)) or label(names[0])


# --- changes ---------------------------------------------------------------------------------------------------------


def changes(found: Sequence[Difference], title_of: Titles) -> str:
    """One line for each changed setting."""
    return "\n".join(change_lines([each.as_json() for each in found], title_of))


def change_lines(found: Sequence[Mapping[str, Any]], title_of: Titles, *, limit: int = _LINES) -> Iterator[str]:
    """Like `changes`, from the JSON in the audit log."""
    for change in found[:limit]:
        name, each = _setting(str(change.get("path", "")), title_of), _with_titles(change, title_of)
        if "added" in each or "removed" in each:
            yield f"- {name}: {_added_and_removed(each)}"
        else:
            yield f"- {name}: {_value(each, each.get('was'))} → {_value(each, each.get('now'))}"
    if (more := len(found) - limit) > 0:
        yield ngettext("- and {count} more setting", "- and {count} more settings", more).format(count=more)


def _added_and_removed(each: Mapping[str, Any]) -> str:
    signs = {"+": each.get("added") or [], "−": each.get("removed") or []}
    shown = [f"{sign} {_value(each, entry)}" for sign, entries in signs.items() for entry in entries[:_ENTRIES]]
    more = sum(max(0, len(entries) - _ENTRIES) for entries in signs.values()) + int(each.get("more", 0))
    rest = [ngettext("and {count} more", "and {count} more", more).format(count=more)] if more else []
    return " · ".join([*shown, *rest])


def _setting(path: str, title_of: Titles) -> str:
    """The label of a setting, with a role as a mention. The audit log may name settings of an earlier version."""
    return label(path, role="<@&{}>".format, other=lambda key: in_quotes(title_of(key))) or _("A former setting")


def _with_titles(change: Mapping[str, Any], title_of: Titles) -> Mapping[str, Any]:
    """The change with titles in place of the ids of models."""
    if not str(change.get("path", "")).endswith(".models"):
        return change
    lists = {name: value for name, value in change.items() if isinstance(value, list | tuple)}
    return {**change, **{name: [title_of(str(each)) for each in value] for name, value in lists.items()}}


def _value(change: Mapping[str, Any], value: Any) -> str:
    path = str(change.get("path", ""))
    if value is None:
        return _("none") if path.startswith(_NONE_UNLESS_SET) else _("default")
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, Mapping):
        return _group(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(change, each) for each in value[:_ENTRIES]) or _("none")
    if isinstance(value, str) and value in _CHOICES.get(path, {}):
        return pgettext("choice", _CHOICES[path][value])
    if value == "all" and path.endswith((".models", ".aspect_ratios")):
        return _("all")
    text = show(value) if isinstance(value, float) else str(value)
    if text.isdecimal() and len(text) >= _ID_DIGITS:
        return f"<@&{text}>" if "role_ids" in path else f"<#{text}>"
    return quoted(text, limit=_VALUE) or _("none")


def _group(value: Mapping[str, Any]) -> str:
    """A preset, or a lockout."""
    if "points" in value and "hours" in value:
        return _("{hours} h from {points} points").format(hours=value["hours"], points=show(value["points"]))
    return quoted(str(value.get("name", "")), limit=_VALUE)


def file(found: Sequence[Difference], unknown: Sequence[str], title_of: Titles) -> str:
    """The preview of a settings file. `unknown` names its roles and channels that are not of this guild, which are left out."""
    warning = [_not_here(unknown), _("They will be skipped.")] if unknown else []
    if not found:
        return "\n".join([_("## Settings file"), *warning, _("This file matches the current settings. There's nothing to change.")])
    count = ngettext("This file would change {count} setting:", "This file would change {count} settings:", len(found)).format(
        count=len(found)
    )
    return cut("\n".join([_("## Settings file"), *warning, count, changes(found, title_of)]), PANEL_MAX - 200)


def applied(found: Sequence[Difference], unknown: Sequence[str], title_of: Titles) -> str:
    """The answer after a settings file was applied, but for the `unknown` that the guild has lost since the preview."""
    done = ngettext("✅ {count} setting was changed.", "✅ {count} settings were changed.", len(found)).format(count=len(found))
    warning = [_not_here(unknown), _("They were skipped.")] if unknown else []
    return cut("\n".join([_("## Settings file"), *warning, done, changes(found, title_of)]), PANEL_MAX)


def _not_here(unknown: Sequence[str]) -> str:
    return _("⚠️ Not on this server: {ids}").format(ids=cut(", ".join(unknown[:_LINES]), _UNKNOWN_MAX))


def named(ids: Iterable[NamedId]) -> list[str]:
    """Roles and channels in words. Not as mentions, which show nothing for those of another server."""
    words = {IdKind.ROLE: _("role {id}"), IdKind.CHANNEL: _("channel {id}")}
    return [words[each.kind].format(id=each.id) for each in ids]


# --- rules for prompts -----------------------------------------------------------------------------------------------


def rule_list(policy: Policy) -> str:
    """All rules, as many as fit in a panel."""
    heads = {ListName.BLOCK: _("### ⛔ Blocked"), ListName.FLAG: _("### 🚩 Flagged"), ListName.ALLOW: _("### ✅ Allowed")}
    parts = [f"{head}\n{_entries(policy.prompts.list(name))}" for name, head in heads.items()]
    hashes = " · ".join(f"`{each}`" for each in policy.known_bad.hashes) or _("none")
    return cut("\n".join([_("## Prompt rules"), *parts, _("### 🖼️ Blocked images"), hashes]), PANEL_MAX)


def _entries(entries: WordList) -> str:
    words = [code(word) for word in entries.words] + [code(f'"{word}"') for word in entries.exact_words]
    patterns = [code(f"/{pattern}/") for pattern in entries.patterns]
    return " · ".join([*words, *patterns]) or _("none")


def listed(entry: str, name: ListName) -> str:
    sentences = {
        ListName.ALLOW: _("✅ `{entry}` was added to the allow list."),
        ListName.FLAG: _("✅ `{entry}` was added to the flag list."),
        ListName.BLOCK: _("✅ `{entry}` was added to the block list."),
    }
    return sentences[name].format(entry=code(entry)[1:-1])


def unlisted(entry: str) -> str:
    return _("✅ `{entry}` was removed.").format(entry=code(entry)[1:-1])


def tested(prompt: str, level: Level, hits: Sequence[CompiledRule]) -> str:
    """The rules' verdict about a prompt, and every entry that matches it."""
    verdicts = {
        Level.NONE: _("🟢 Nothing found. This prompt would be allowed."),
        Level.ALLOW: _("🟢 It matches the allow list. This prompt would be allowed."),
        Level.FLAG: _("🚩 This prompt would be flagged: the image gets a spoiler, and the moderators get a case."),
        Level.BLOCK: _("⛔ This prompt would be blocked. No image would be created."),
    }
    kinds = {RuleKind.WORD: _("word"), RuleKind.PATTERN: _("pattern")}
    lines = [f"- {_list_name(hit.list)}: {code(hit.text)} ({kinds[hit.kind]})" for hit in hits[:_LINES]]
    return "\n".join([f"> {quoted(prompt)}", verdicts[level], *lines])


def _list_name(name: ListName) -> str:
    return pgettext("choice", LIST_CHOICES[name])


def imported(found: ImportResult, added: int) -> str:
    """What was imported from AutoMod, and what was left out."""
    taken = ngettext("✅ {count} rule was added.", "✅ {count} rules were added.", added).format(count=added)
    parts = []
    for name in ListName:
        entries = found.rules.list(name)
        parts += [f"- {_list_name(name)}: {_entries(entries)}"] if entries.entries else []
    left_out = [f"- **{quoted(each.name, limit=_VALUE)}**: {quoted(each.reason)}" for each in found.skipped]
    skipped = [_("### Skipped"), *left_out] if left_out else []
    return cut("\n".join([_("## Imported from AutoMod"), taken, *parts, *skipped]), PANEL_MAX)


def known_bad(fingerprint: str, count: int) -> str:
    all_ = ngettext("{count} image is blocked.", "{count} images are blocked.", count).format(count=count)
    return _("✅ Images that look like this one won't be shown here (`{fingerprint}`).").format(fingerprint=fingerprint) + f" {all_}"
