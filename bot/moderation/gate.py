"""May this member have this picture here? The checks in their order, each with one sentence for no.

What a picture costs, and whether the member can pay, is not asked here: that is decided where it is held. A refusal costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bot.domain.actor import Actor
from bot.domain.request import Channel
from bot.errors import InvalidRequest, NotAllowed
from bot.i18n import _, ngettext
from bot.moderation.allowance import Allowance, merge
from bot.moderation.policy import Policy
from bot.moderation.prompts import Judge, Level, Verdict

_NAMED: Final = 10  # models or shapes that a refusal names


class PromptBlocked(NotAllowed):
    """The block list spoke: the one refusal that may earn a strike."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for."""

    model: str  # id
    prompt: str
    count: int = 1
    private: bool = False
    aspect_ratio: str | None = None  # such as "16:9"; None: the model's own choice
    megapixels: float | None = None  # of one picture; None: the model's own choice
    unsafe: bool = False  # the model's own safety checker is to be off


@dataclass(frozen=True, kw_only=True)
class Block:
    """A moderator's word, or a ladder's: no pictures for this member."""

    until: int | None  # Unix ms; None: until it is lifted
    reason: str = ""
    appeal: str = ""  # one sentence that says how to appeal, where that is still open


@dataclass(frozen=True, kw_only=True)
class Question:
    """Everything that is looked at, gathered before. `judge` is the compiled `policy.prompts`."""

    actor: Actor
    spot: Channel
    wish: Wish
    policy: Policy
    judge: Judge = field(repr=False)
    block: Block | None = None
    now: int  # Unix ms
    title_of: Callable[[str], str] = field(default=str, repr=False)  # a model's name for people, by its id

    @property
    def is_moderator(self) -> bool:
        return self.policy.is_moderator(self.actor)


@dataclass(frozen=True, kw_only=True)
class Pass:
    """The picture may be ordered, within these limits."""

    allowance: Allowance
    verdict: Verdict
    must_spoiler: bool

    @property
    def flagged(self) -> bool:
        return self.verdict.level is Level.FLAG


def check(question: Question) -> Pass:
    """Raise `NotAllowed` or `InvalidRequest` of the first check that says no. Judging takes a moment: call it in a thread."""
    allowance = merge(question.policy, question.actor.role_ids)
    for each in CHECKS:
        each(question, allowance)
    verdict = judge_prompt(question)
    free = question.spot.age_restricted and question.policy.age_restricted.unspoilered
    return Pass(allowance=allowance, verdict=verdict, must_spoiler=verdict.level is Level.FLAG and not free)


def judge_prompt(question: Question) -> Verdict:
    """The last check, and the only one that takes time. Moderators are told which rule it was: they are the ones who mend it."""
    verdict = question.judge.judge(question.wish.prompt)
    if verdict.level is not Level.BLOCK:
        return verdict
    if question.is_moderator and verdict.rule is not None:
        raise PromptBlocked(_("This server's rules do not allow this prompt: {rule} is on the block list.").format(rule=verdict.rule.text))
    raise PromptBlocked(_("This server's rules do not allow this prompt; please put it in other words."))


def _pause(question: Question, _allowance: Allowance) -> None:
    """For everybody, managers too: it is the brake for a leaked budget."""
    pause = question.policy.pause
    if not pause.on:
        return
    if question.actor.may_manage_server:
        raise NotAllowed(_("Pictures are paused on this server; /imageadmin resume goes on."))
    if pause.reason:
        raise NotAllowed(_("Pictures are paused on this server: {reason}").format(reason=pause.reason))
    raise NotAllowed(_("Pictures are paused on this server; please come back later."))


def _blocked(question: Question, _allowance: Allowance) -> None:
    block = question.block
    if block is None or (block.until is not None and block.until <= question.now):
        return
    why = block.reason or _("no reason was given")
    if block.until is None:
        sentence = _("You cannot ask for pictures here any more ({reason}).").format(reason=why)
    else:
        sentence = _("You cannot ask for pictures here until {when} ({reason}).").format(when=f"<t:{block.until // 1000}:f>", reason=why)
    raise NotAllowed(f"{sentence} {block.appeal}".rstrip())


def _channel(question: Question, _allowance: Allowance) -> None:
    channels = question.policy.channels
    if channels.open_in(question.spot.places):
        return
    if channels.allowed:
        named = ", ".join(f"<#{channel}>" for channel in channels.allowed[:_NAMED])
        raise NotAllowed(_("Pictures are not made in this channel; try {channels}.").format(channels=named))
    raise NotAllowed(_("Pictures are not made in this channel; please try another one."))


def _role(question: Question, allowance: Allowance) -> None:
    """What the member's roles open: models, and asking in private."""
    model = question.wish.model
    if allowance.models is not None and model not in allowance.models:
        if not allowance.models:
            raise NotAllowed(_("Your roles do not open any model to you here."))
        title, others = question.title_of(model), ", ".join(sorted(map(question.title_of, allowance.models))[:_NAMED])
        raise NotAllowed(
            _("Your roles do not open the model {model} to you here; you may use {others}.").format(model=title, others=others)
        )
    if question.wish.private and not allowance.private:
        raise NotAllowed(_("On this server your pictures are made where others see them; ask again without private."))


def _age_restricted(question: Question, _allowance: Allowance) -> None:
    if not question.wish.unsafe:
        return
    if question.spot.guild_id is None:
        raise NotAllowed(_("A model's safety checker stays on in direct messages."))
    if not question.policy.age_restricted.unchecked:
        raise NotAllowed(_("A model's safety checker stays on on this server."))
    if not question.spot.age_restricted:
        raise NotAllowed(_("A model's safety checker can be turned off in age-restricted channels only."))


def _newcomer(question: Question, _allowance: Allowance) -> None:
    """A guest has not joined. Moderators do not wait."""
    wait_ms = question.policy.newcomers.wait_ms
    if not wait_ms or question.is_moderator:
        return
    joined_at = question.actor.joined_at
    if joined_at is None:
        raise NotAllowed(_("On this server only members can ask for pictures, not guests."))
    if question.now < joined_at + wait_ms:
        when = f"<t:{(joined_at + wait_ms) // 1000}:R>"
        raise NotAllowed(_("New members wait a while before they can ask for pictures here; you can {when}.").format(when=when))


def _limits(question: Question, allowance: Allowance) -> None:
    wish = question.wish
    if wish.count > allowance.max_count:
        sentence = ngettext(
            "You may ask for {limit} picture at a time here; {count} were asked for.",
            "You may ask for {limit} pictures at a time here; {count} were asked for.",
            allowance.max_count,
        )
        raise InvalidRequest(sentence.format(limit=allowance.max_count, count=wish.count))
    if wish.aspect_ratio is not None and allowance.aspect_ratios is not None and wish.aspect_ratio not in allowance.aspect_ratios:
        others = ", ".join(sorted(allowance.aspect_ratios)[:_NAMED])
        raise InvalidRequest(
            _("The shape {ratio} is not open to you here; you may use {others}.").format(ratio=wish.aspect_ratio, others=others or "-")
        )
    if wish.megapixels is not None and allowance.max_megapixels is not None and wish.megapixels > allowance.max_megapixels:
        raise InvalidRequest(
            _("You may ask for pictures of at most {limit} MP here; {given} MP were asked for.").format(
                limit=f"{allowance.max_megapixels:g}", given=f"{wish.megapixels:g}"
            )
        )


Check = Callable[[Question, Allowance], None]

# The order in which a member hears of things: what holds for everybody first, what they can change themselves last.
CHECKS: Final[tuple[Check, ...]] = (_pause, _blocked, _channel, _role, _age_restricted, _newcomer, _limits)
