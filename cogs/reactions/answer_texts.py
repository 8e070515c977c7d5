"""The answer to a member's reactions: what was taken, and what was not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.gestures import BatchEntry, Fate, ReactionBatch
from bot.domain.job import message_url
from cogs.kit.texts import CONTENT_MAX


def answer(batch: ReactionBatch) -> str:
    """Empty if what happened can be seen: everything was taken. Reactions that are still open were interrupted."""
    return "\n".join(_cut(list(_told(batch)) + list(_refused(batch))))


def note(batch: ReactionBatch, user_id: int) -> str:
    """The same in the channel, for a member who accepts no DMs: everybody reads it."""
    groups = _grouped(_of(batch, Fate.REFUSED, Fate.OPEN), lambda entry: entry.kind or _in_public(entry))
    reasons = [f"🚫 {_emoji(same)} {_in_public(same[-1])}" for same in groups]
    return "\n".join(_cut([f"<@{user_id}>", *reasons, *_over(batch), _("-# This message disappears in 2 minutes.")]))


def _told(batch: ReactionBatch) -> Iterator[str]:
    """What cannot be seen otherwise."""
    for entry in _of(batch, Fate.TAKEN, Fate.NEWS):
        if entry.sentence:
            yield f"{entry.shown} {entry.sentence}\n-# {_link(entry)}"


def _refused(batch: ReactionBatch) -> Iterator[str]:
    refused, taken = _of(batch, Fate.REFUSED, Fate.OPEN), _of(batch, Fate.TAKEN)
    left_out = batch.left_out
    if not refused and not left_out:
        return
    if len(refused) == 1 and not taken and not left_out:
        yield f"🚫 {_reason(refused[0])}\n-# {refused[0].shown} · {_link(refused[0])}"
        return
    yield _summary(taken, missed=len(refused) + left_out)
    for same in _grouped(refused, lambda entry: (entry.kind or _reason(entry), _link(entry))):
        yield f"🚫 {_emoji(same)} {_reason(same[-1])}\n-# {_link(same[-1])}"
    yield from _over(batch)


def _summary(taken: Sequence[BatchEntry], *, missed: int) -> str:
    count = len(taken) + missed
    if not taken:
        return ngettext("Your reaction wasn't taken.", "None of your {count} reactions were taken.", count).format(count=count)
    done = ngettext(
        "Of your {all} reactions, {count} was taken: {emoji}", "Of your {all} reactions, {count} were taken: {emoji}", len(taken)
    )
    return done.format(all=count, count=len(taken), emoji=_emoji(taken))


def _over(batch: ReactionBatch) -> Iterator[str]:
    if batch.left_out:
        over = ngettext(
            "🚫 {emoji} {count} more: Easel takes at most {limit} a minute. Remove it, and add it again in a minute.",
            "🚫 {emoji} {count} more: Easel takes at most {limit} a minute. Remove them, and add them again in a minute.",
            batch.left_out,
        )
        named = _emoji(_of(batch, Fate.OVER))
        yield over.format(emoji=named, count=number(batch.left_out), limit=batch.limit)


def _in_public(entry: BatchEntry) -> str:
    """Only the member may read why they are not allowed something."""
    return _("Easel can't DM you why. Allow DMs from this server's members.") if entry.is_private else _reason(entry)


def _reason(entry: BatchEntry) -> str:
    interrupted = _("Easel was restarted before it came to this. Remove your reaction and add it again. You weren't charged.")
    return interrupted if entry.fate is Fate.OPEN else entry.sentence


def _grouped(entries: Sequence[BatchEntry], key: Callable[[BatchEntry], Hashable]) -> list[list[BatchEntry]]:
    groups: dict[Hashable, list[BatchEntry]] = {}
    for entry in entries:
        groups.setdefault(key(entry), []).append(entry)
    return list(groups.values())


def _of(batch: ReactionBatch, *fates: Fate) -> list[BatchEntry]:
    return [entry for entry in batch.entries if entry.fate in fates]


def _emoji(entries: Sequence[BatchEntry]) -> str:
    return " ".join(dict.fromkeys(entry.shown for entry in entries))


def _link(entry: BatchEntry) -> str:
    return message_url(entry.guild_id, entry.channel_id, entry.message_id)


def _cut(lines: Sequence[str]) -> Iterator[str]:
    """As many whole lines as a message holds."""
    left = CONTENT_MAX
    for line in lines:
        left -= len(line) + 1
        if left < 0:
            return
        yield line
