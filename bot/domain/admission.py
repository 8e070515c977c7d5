"""Whether a new order may be taken, and on which terms. Pure: whoever calls it has gathered the facts, and fetched nothing yet.

A member hears the first rule that says no, in this order; a refusal costs nothing:

======================  ===============================================  ===================================
what is looked at       refused                                          as
======================  ===============================================  ===================================
pause                   everyone, managers too                           NotAllowed
block                   who is blocked on this server                    NotAllowed
channel                 channels that are closed to orders               NotAllowed
roles                   models, and private answers                      NotAllowed
safety checker          turned off where it has to stay on               NotAllowed
newcomers               guests, and members who joined just now          NotAllowed
count and size          more, other shapes or larger than is allowed     InvalidRequest
price                   a model without one                              InvalidRequest
waiting                 more than may wait in the queue                  TooManyWaiting
money                   more than anybody who may pay has                OutOfCredit
words                   a prompt on the block list (this takes a while)  PromptBlocked, which adds a strike
consent                 other members' images                            NotAllowed
======================  ===============================================  ===================================

What is decided of waiting and money holds for the moment of asking. The transaction that writes the order decides both again, by the
same functions, since other orders may have come between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from bot.core.errors import InvalidRequest, NotAllowed, TooManyWaiting
from bot.core.i18n import _, ngettext
from bot.domain import permissions
from bot.domain.allowance import Allowance
from bot.domain.money.payment import Funds, Payment, decide
from bot.domain.permissions import Action, Target
from bot.domain.preferences import Preferences
from bot.domain.prompts.judge import Judge, Level, PromptVerdict
from bot.domain.request import Request

_NAMED: Final = 10  # models or shapes that a refusal names


class PromptBlocked(NotAllowed):
    """The prompt matched the block list. The only refusal that can add a strike."""


# --- what goes in, and what comes out --------------------------------------------------------------------------------


class Block(Protocol):
    """No images for this member: by a moderator, or for too many strikes."""

    @property
    def until(self) -> int | None: ...  # Unix ms; None: until it is lifted
    @property
    def reason(self) -> str: ...
    @property
    def case_id(self) -> int | None: ...  # of the case that it came from: the message about that offers an appeal


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules look at: what is asked for, what it comes to, and what is known of whoever asks."""

    request: Request
    now: int  # Unix ms
    # What is asked for.
    model: str  # id
    words: str  # the prompt, and whatever else was written that may be drawn
    count: int = 1
    aspect_ratio: str | None = None  # such as "16:9"; None: the model's own choice
    megapixels: float | None = None  # of one image; None: the model's own choice
    unsafe: bool = False  # the model's own safety checker is to be off
    # What it comes to under the rules of the server.
    allowance: Allowance
    price: int | None  # microcredits of one image; None: the model has no price
    payment: Payment
    max_waiting: int  # images of this member in the queue, with these
    title_of: Callable[[str], str] = field(default=str, repr=False)  # a model's name for people, by its id
    # What the store knows.
    blocked: Block | None = None
    waiting: int = 0  # images of this member in the queue
    funds: Mapping[str, Funds] = field(default_factory=dict)  # of every account of `payment`, by name
    owners: Mapping[int, Preferences] = field(default_factory=dict)  # of the members whose images are used, by id

    @property
    def is_moderator(self) -> bool:
        return permissions.is_moderator(self.request.actor, self.request.policy)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """An order may be taken, on these terms."""

    price: int  # microcredits of one image
    payment: Payment
    max_waiting: int  # images of this member in the queue, with these
    running: int | None  # images of this member made at a time; None: the operator's limit
    flagged: str | None = None  # the rule for which moderators should look at it
    must_spoiler: bool = False


# --- deciding --------------------------------------------------------------------------------------------------------


def check(facts: Facts) -> None:
    """Raise the `Refusal` of the first of `CHECKS` that says no. None of them takes time."""
    for each in CHECKS:
        each(facts)


def judge_prompt(facts: Facts, judge: Judge) -> PromptVerdict:
    """Raise `PromptBlocked`. The only rule that takes time: call it in a thread, after `check`. `judge` is the compiled `policy.prompts`.

    Moderators are told which rule it was: they are the ones who mend it.
    """
    verdict = judge.judge(facts.words)
    if verdict.level is not Level.BLOCK:
        return verdict
    if facts.is_moderator and verdict.rule is not None:
        raise PromptBlocked(_("This server's rules do not allow this prompt: {rule} is on the block list.").format(rule=verdict.rule.text))
    raise PromptBlocked(_("This server's rules do not allow this prompt; please put it in other words."))


def check_consent(request: Request, owners: Mapping[int, Preferences]) -> None:
    """Raise `NotAllowed` where one of these members does not let whoever asks edit their images."""
    for owner_id, chosen in owners.items():
        image = Target(owner_id=owner_id, consent=chosen.consent, consent_role_id=chosen.consent_role_id)
        permissions.check(request, Action.USE, image)


def check_giver(request: Request, blocked: Block | None, *, now: int) -> None:
    """Raise `NotAllowed` for who may not order images yet, or any more: credits do not leave by a new account or a blocked one."""
    if blocked is not None and _is_in_force(blocked, now):
        raise NotAllowed(_("You cannot ask for pictures here at the moment, and so not give credits either."))
    if _is_new(request, now):
        raise NotAllowed(_("New members wait a while before they can give credits here."))


def admitted(facts: Facts, verdict: PromptVerdict) -> Admission:
    """The terms of an order that every rule let pass."""
    is_flagged = verdict.level is Level.FLAG
    unspoilered = facts.request.channel.age_restricted and facts.request.policy.age_restricted.unspoilered
    return Admission(
        price=_priced(facts),
        payment=facts.payment,
        max_waiting=facts.max_waiting,
        running=facts.allowance.running,
        flagged=verdict.rule.text if is_flagged and verdict.rule is not None else None,
        must_spoiler=is_flagged and not unspoilered,
    )


def check_waiting(waiting: int, count: int, *, most: int) -> None:
    """Raise `TooManyWaiting` where `count` images on top of those that wait are more than `most`."""
    if waiting + count > most:
        sentence = _(
            "You have {waiting} of at most {most} pictures waiting, and this asks for {more} more. Wait for one to finish or /cancel one."
        )
        raise TooManyWaiting(sentence.format(waiting=waiting, most=most, more=count))


# --- the rules -------------------------------------------------------------------------------------------------------


def _pause(facts: Facts) -> None:
    """For everybody, managers too: it is the brake for a leaked budget."""
    pause = facts.request.policy.pause
    if not pause.on:
        return
    if permissions.is_manager(facts.request.actor):
        raise NotAllowed(_("Pictures are paused on this server; /imageadmin resume goes on."))
    if pause.reason:
        raise NotAllowed(_("Pictures are paused on this server: {reason}").format(reason=pause.reason))
    raise NotAllowed(_("Pictures are paused on this server; please come back later."))


def _blocked(facts: Facts) -> None:
    block = facts.blocked
    if block is None or not _is_in_force(block, facts.now):
        return
    why = _(block.reason) if block.reason else _("no reason was given")
    if block.until is None:
        sentence = _("You cannot ask for pictures here any more ({reason}).").format(reason=why)
    else:
        sentence = _("You cannot ask for pictures here until {when} ({reason}).").format(when=f"<t:{block.until // 1000}:f>", reason=why)
    appeal = _("You may appeal once: the message about it has a button.") if block.case_id is not None else ""
    raise NotAllowed(f"{sentence} {appeal}".rstrip())


def _channel(facts: Facts) -> None:
    channels = facts.request.policy.channels
    if channels.open_in(facts.request.channel.places):
        return
    if channels.allowed:
        named = ", ".join(f"<#{channel}>" for channel in channels.allowed[:_NAMED])
        raise NotAllowed(_("Pictures are not made in this channel; try {channels}.").format(channels=named))
    raise NotAllowed(_("Pictures are not made in this channel; please try another one."))


def _role(facts: Facts) -> None:
    """What the member's roles open: models, and asking in private."""
    model, allowance = facts.model, facts.allowance
    if allowance.models is not None and model not in allowance.models:
        if not allowance.models:
            raise NotAllowed(_("Your roles do not open any model to you here."))
        title, others = facts.title_of(model), ", ".join(sorted(map(facts.title_of, allowance.models))[:_NAMED])
        raise NotAllowed(
            _("Your roles do not open the model {model} to you here; you may use {others}.").format(model=title, others=others)
        )
    if facts.request.reply_to.private and not allowance.private:
        raise NotAllowed(_("On this server your pictures are made where others see them; ask again without private."))


def _age_restricted(facts: Facts) -> None:
    if not facts.unsafe:
        return
    if facts.request.channel.guild_id is None:
        raise NotAllowed(_("A model's safety checker stays on in direct messages."))
    if not facts.request.policy.age_restricted.unchecked:
        raise NotAllowed(_("A model's safety checker stays on on this server."))
    if not facts.request.channel.age_restricted:
        raise NotAllowed(_("A model's safety checker can be turned off in age-restricted channels only."))


def _newcomer(facts: Facts) -> None:
    if not _is_new(facts.request, facts.now):
        return
    joined_at = facts.request.actor.joined_at
    if joined_at is None:
        raise NotAllowed(_("On this server only members can ask for pictures, not guests."))
    when = f"<t:{(joined_at + facts.request.policy.newcomers.wait_ms) // 1000}:R>"
    raise NotAllowed(_("New members wait a while before they can ask for pictures here; you can {when}.").format(when=when))


def _is_in_force(block: Block, now: int) -> bool:
    return block.until is None or block.until > now


def _is_new(request: Request, now: int) -> bool:
    """Has to wait as a new member. A guest has not joined; moderators do not wait."""
    wait_ms, joined_at = request.policy.newcomers.wait_ms, request.actor.joined_at
    is_waiting = joined_at is None or now < joined_at + wait_ms
    return bool(wait_ms) and is_waiting and not permissions.is_moderator(request.actor, request.policy)


def _limits(facts: Facts) -> None:
    allowance = facts.allowance
    if facts.count > allowance.max_count:
        sentence = ngettext(
            "You may ask for {limit} picture at a time here; {count} were asked for.",
            "You may ask for {limit} pictures at a time here; {count} were asked for.",
            allowance.max_count,
        )
        raise InvalidRequest(sentence.format(limit=allowance.max_count, count=facts.count))
    if facts.aspect_ratio is not None and allowance.aspect_ratios is not None and facts.aspect_ratio not in allowance.aspect_ratios:
        others = ", ".join(sorted(allowance.aspect_ratios)[:_NAMED])
        raise InvalidRequest(
            _("The shape {ratio} is not open to you here; you may use {others}.").format(ratio=facts.aspect_ratio, others=others or "-")
        )
    if facts.megapixels is not None and allowance.max_megapixels is not None and facts.megapixels > allowance.max_megapixels:
        raise InvalidRequest(
            _("You may ask for pictures of at most {limit} MP here; {given} MP were asked for.").format(
                limit=f"{allowance.max_megapixels:g}", given=f"{facts.megapixels:g}"
            )
        )


def _priced(facts: Facts) -> int:
    if facts.price is None:
        raise InvalidRequest(
            _("{model} has no price per picture yet. The operator can set one with MODEL_PRICES.").format(model=facts.title_of(facts.model))
        )
    return facts.price


def _waiting(facts: Facts) -> None:
    check_waiting(facts.waiting, facts.count, most=facts.max_waiting)


def _money(facts: Facts) -> None:
    decide(facts.payment, facts.funds, price=_priced(facts) * facts.count, now=facts.now)


Check = Callable[[Facts], object]

# The order in which a member hears of things: what holds for everybody first, what they can change themselves last.
CHECKS: Final[tuple[Check, ...]] = (
    _pause,
    _blocked,
    _channel,
    _role,
    _age_restricted,
    _newcomer,
    _limits,
    _priced,
    _waiting,
    _money,
)
