"""Admission of a new order: whether it may be accepted, and on which terms. Pure: the caller collects the facts.

The rules are checked in this order and the member is told of the first that refuses; a refusal costs nothing:

======================  ===============================================  ===================================
rule                    refuses                                          raises
======================  ===============================================  ===================================
pause                   everyone, managers too                           NotAllowed
block                   members who are blocked in this guild            NotAllowed
channel                 channels that are closed to orders               NotAllowed
roles                   models, and private answers                      NotAllowed
safety checker          turning it off where it must stay on             NotAllowed
newcomers               guests, and members who joined recently          NotAllowed
count and size          too many, another shape, or too large            InvalidRequest
markup                  options for the image API inside of a prompt     InvalidRequest
price                   a model without a price                          InvalidRequest
waiting                 more images in the queue than allowed            TooManyWaiting
money                   a price that no account can pay, or a cost      OutOfCredit
                        beyond a budget or limit
prompt                  a prompt on the block list (slow)                PromptBlocked, which adds a strike
consent                 images of members who do not allow it            NotAllowed
======================  ===============================================  ===================================

Waiting and money are checked again, by the same functions, in the transaction that writes the order: other orders may have been
written in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from bot.core.errors import ChoiceNotAllowed, InvalidRequest, NotAllowed, TooManyWaiting
from bot.core.i18n import _, ngettext
from bot.core.markdown import escaped
from bot.core.numbers import number
from bot.domain import permissions
from bot.domain.allowance import Allowance
from bot.domain.catalog.options import quoted
from bot.domain.money.payment import Funds, Payment, decide
from bot.domain.permissions import Action, Target
from bot.domain.preferences import Preferences
from bot.domain.prompts.judge import CompiledRule, Judge, Level, PromptVerdict, RuleKind, RulesTooSlow
from bot.domain.prompts.markup import has_markup
from bot.domain.prompts.rules import ListName
from bot.domain.request import Request

_NAMED: Final = 10  # models, channels or aspect ratios that a refusal lists


class PromptBlocked(ChoiceNotAllowed):
    """The prompt matched the block list. The only refusal that can add a strike; `block_id`: the lock-out that it led to."""

    def __init__(self, sentence: str, *, block_id: int | None = None) -> None:
        super().__init__(sentence)
        self.block_id = block_id


# --- input and result ------------------------------------------------------------------------------------------------


class Blocked(NotAllowed):
    """The member is blocked; the block may be appealed."""

    def __init__(self, sentence: str, *, block_id: int) -> None:
        super().__init__(sentence)
        self.block_id = block_id


class Block(Protocol):
    """A member may not order images: by a moderator's decision, or for too many strikes."""

    @property
    def id(self) -> int: ...
    @property
    def until(self) -> int | None: ...  # Unix ms; None: until a moderator lifts it
    @property
    def reason(self) -> str: ...


class Asked(Protocol):
    """What the rules that hold for every request need to know."""

    @property
    def request(self) -> Request: ...
    @property
    def now(self) -> int: ...  # Unix ms
    @property
    def blocked(self) -> Block | None: ...


@dataclass(frozen=True, kw_only=True)
class _Saving:
    request: Request
    now: int
    blocked: Block | None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that the rules need to know."""

    request: Request
    now: int  # Unix ms
    # The order.
    model: str  # id
    drawable_text: str  # the prompt, and other text parameters that may be drawn
    count: int = 1
    aspect_ratio: str | None = None  # such as "16:9"; None: the model's default
    megapixels: float | None = None  # of one image; None: the model's default
    unsafe: bool = False  # turns off the model's safety checker
    # What the guild's rules make of it.
    allowance: Allowance
    price: int | None  # microcredits per image that the member pays; None: the model has no price
    cost: int | None  # microcredits per image that the provider charges at most; None: not known
    payment: Payment
    max_waiting: int  # images of this member in the queue, including these
    title_of: Callable[[str], str] = field(default=str, repr=False)  # a model's title, by its id
    # From the store.
    blocked: Block | None = None
    waiting: int = 0  # images of this member in the queue
    funds: Mapping[str, Funds] = field(default_factory=dict)  # of every account of `payment`, by name
    owners: Mapping[int, Preferences] = field(default_factory=dict)  # of the members whose images are used, by id

    @property
    def is_moderator(self) -> bool:
        return permissions.is_moderator(self.request.actor, self.request.policy)


@dataclass(frozen=True, kw_only=True)
class Admission:
    """The terms on which an order is accepted."""

    price: int  # microcredits per image that the member pays
    cost: int  # microcredits per image that the provider charges at most
    payment: Payment
    max_waiting: int  # images of this member in the queue, including these
    running: int | None  # images of this member made at a time; None: the operator's limit
    flagged: str | None = None  # the prompt rule for which moderators should review it
    must_spoiler: bool = False


# --- deciding --------------------------------------------------------------------------------------------------------


def check(facts: Facts) -> None:
    """Raise the `Refusal` of the first of `CHECKS` that refuses. Fast."""
    for each in CHECKS:
        each(facts)


def check_showing(facts: Facts) -> None:
    """Raise the `Refusal` of the first of `SHOWING_CHECKS`: a finished image is to be shown in another place. Fast."""
    for each in SHOWING_CHECKS:
        each(facts)


def judge_prompt(facts: Facts, judge: Judge) -> PromptVerdict:
    """Raise `PromptBlocked` if the prompt is on the block list. Slow: call it in a thread, after `check`.

    `judge` is the compiled `policy.prompts`. Only moderators are told which rule matched: they can change it. If the rules take too
    long, the prompt is flagged, or `RulesTooSlow` is raised, as the guild chose.
    """
    try:
        verdict = judge.judge(facts.drawable_text)
    except RulesTooSlow:
        if facts.request.policy.prompts.too_slow == "block":
            raise
        verdict = PromptVerdict(
            level=Level.FLAG, rule=CompiledRule(list=ListName.FLAG, kind=RuleKind.PATTERN, text=_("checking it took too long"))
        )
    if verdict.level is not Level.BLOCK:
        return verdict
    if facts.is_moderator and verdict.rule is not None:
        raise PromptBlocked(
            _("This prompt was blocked because {rule} is on this server's block list. You weren't charged.").format(
                rule=quoted(verdict.rule.text)
            )
        )
    raise PromptBlocked(_("This server doesn't allow that prompt. You weren't charged."))


def check_consent(request: Request, owners: Mapping[int, Preferences]) -> None:
    """Raise `NotAllowed` if one of these members does not let the actor use their images."""
    for owner_id, chosen in owners.items():
        image = Target(owner_id=owner_id, consent=chosen.consent, consent_role_id=chosen.consent_role_id)
        permissions.check(request, Action.USE, image)


def check_saving(request: Request, blocked: Block | None, *, now: int) -> None:
    """Raise `NotAllowed` if the member may not save references: an image costs time, and nothing is ordered yet."""
    saving = _Saving(request=request, now=now, blocked=blocked)
    for each in (_pause, _blocked, _newcomer):
        each(saving)


def check_giver(request: Request, blocked: Block | None, *, now: int) -> None:
    """Raise `NotAllowed` for blocked and new members: they cannot give credits either, so that credits cannot be moved out that way."""
    if blocked is not None and _is_in_force(blocked, now):
        raise NotAllowed(_("You can't give credits here while you're blocked from creating images."))
    if _is_new(request, now):
        raise NotAllowed(_("New members can't give credits here yet. Try again later."))


def admitted(facts: Facts, verdict: PromptVerdict) -> Admission:
    """The terms of an order that every rule accepted."""
    price, cost = _priced(facts)
    is_flagged = verdict.level is Level.FLAG
    unspoilered = facts.request.channel.age_restricted and facts.request.policy.age_restricted.unspoilered
    return Admission(
        price=price,
        cost=cost,
        payment=facts.payment,
        max_waiting=facts.max_waiting,
        running=facts.allowance.running,
        flagged=verdict.rule.text if is_flagged and verdict.rule is not None else None,
        must_spoiler=is_flagged and not unspoilered,
    )


def check_waiting(waiting: int, count: int, *, most: int) -> None:
    """Raise `TooManyWaiting` if `count` more images would exceed `most`."""
    if waiting + count > most:
        sentence = _(
            "You already have {waiting} images queued (limit: {most}), and this would add {more}. Wait for one to finish, or use /cancel."
        )
        raise TooManyWaiting(sentence.format(waiting=waiting, most=most, more=count))


# --- the rules -------------------------------------------------------------------------------------------------------


def _pause(facts: Asked) -> None:
    """Holds for managers too: it stops all spending in an emergency."""
    pause = facts.request.policy.pause
    if not pause.on:
        return
    if permissions.is_manager(facts.request.actor):
        raise NotAllowed(_("Image creation is paused on this server. Use /imageadmin resume to turn it back on."))
    if pause.reason:
        raise NotAllowed(_("Image creation is paused on this server: {reason}").format(reason=escaped(pause.reason)))
    raise NotAllowed(_("Image creation is paused on this server. Try again later."))


def _blocked(facts: Asked) -> None:
    block = facts.blocked
    if block is None or not _is_in_force(block, facts.now):
        return
    why = escaped(_(block.reason)) if block.reason else _("no reason given")
    if block.until is None:
        sentence = _("You're blocked from creating images here ({reason}).").format(reason=why)
    else:
        sentence = _("You're blocked from creating images here until {when} ({reason}).").format(
            when=f"<t:{block.until // 1000}:f>, <t:{block.until // 1000}:R>", reason=why
        )
    raise Blocked(sentence, block_id=block.id)


def _channel(facts: Facts) -> None:
    channels = facts.request.policy.channels
    if channels.open_in(facts.request.channel.ids):
        return
    left = [channel for channel in channels.allowed if channel not in facts.request.settings.gone]
    if channels.allowed and not left:
        raise NotAllowed(
            _("Images can't be created here, and the channels for them were deleted. Ask this server's managers to choose others.")
        )
    if left:
        named = ", ".join(f"<#{channel}>" for channel in left[:_NAMED])
        raise NotAllowed(_("Images can't be created in this channel. Try {channels}.").format(channels=named))
    raise NotAllowed(_("Images can't be created in this channel. Try another one."))


def _role(facts: Facts) -> None:
    """What the member's roles allow: models, and private answers."""
    model, allowance = facts.model, facts.allowance
    if allowance.models is not None and model not in allowance.models:
        if not allowance.models:
            raise NotAllowed(_("Your roles don't let you use any model here."))
        title, others = quoted(facts.title_of(model)), ", ".join(sorted(quoted(facts.title_of(each)) for each in allowance.models)[:_NAMED])
        raise ChoiceNotAllowed(_("Your roles don't let you use {model} here. Choose {others}.").format(model=title, others=others))
    if facts.request.reply_to.private and not allowance.private:
        raise ChoiceNotAllowed(_("You can't create private images on this server. Try again with private turned off."))


def _age_restricted(facts: Facts) -> None:
    if not facts.unsafe:
        return
    if facts.request.channel.guild_id is None:
        raise ChoiceNotAllowed(_("The safety checker can't be turned off in DMs."))
    if not facts.request.policy.age_restricted.unchecked:
        raise ChoiceNotAllowed(_("The safety checker can't be turned off on this server."))
    if not facts.request.channel.age_restricted:
        raise ChoiceNotAllowed(_("The safety checker can only be turned off in age-restricted channels."))


def _newcomer(facts: Asked) -> None:
    if not _is_new(facts.request, facts.now):
        return
    joined_at = facts.request.actor.joined_at
    if joined_at is None:
        raise NotAllowed(_("Only members of this server can create images here."))
    when = f"<t:{(joined_at + facts.request.policy.newcomers.wait_ms) // 1000}:R>"
    raise NotAllowed(_("New members can't create images here right away. You can start {when}.").format(when=when))


def _is_in_force(block: Block, now: int) -> bool:
    return block.until is None or block.until > now


def _is_new(request: Request, now: int) -> bool:
    """Whether the actor must wait as a new member. Guests always must, moderators never."""
    wait_ms, joined_at = request.policy.newcomers.wait_ms, request.actor.joined_at
    is_waiting = joined_at is None or now < joined_at + wait_ms
    return bool(wait_ms) and is_waiting and not permissions.is_moderator(request.actor, request.policy)


def _limits(facts: Facts) -> None:
    allowance = facts.allowance
    if facts.count > allowance.max_count:
        sentence = ngettext(
            "You can create {limit} image at a time here, not {count}.",
            "You can create up to {limit} images at a time here, not {count}.",
            allowance.max_count,
        )
        raise InvalidRequest(sentence.format(limit=allowance.max_count, count=facts.count))
    if facts.aspect_ratio is not None and allowance.aspect_ratios is not None and facts.aspect_ratio not in allowance.aspect_ratios:
        others = ", ".join(sorted(allowance.aspect_ratios)[:_NAMED])
        raise InvalidRequest(
            _("You can't use the aspect ratio {ratio} here. Choose {others}.").format(
                ratio=quoted(facts.aspect_ratio), others=others or "-"
            )
        )
    check_megapixels(facts)


def check_megapixels(facts: Facts) -> None:
    """Raise `InvalidRequest` if the image would be larger than the member may have here. An upscale's size is known only late."""
    allowance = facts.allowance
    if facts.megapixels is not None and allowance.max_megapixels is not None and facts.megapixels > allowance.max_megapixels:
        raise InvalidRequest(
            _("Images here can have up to {limit} MP. This one would have {given} MP.").format(
                limit=number(allowance.max_megapixels), given=number(facts.megapixels)
            )
        )


def _markup(facts: Facts) -> None:
    if has_markup(facts.drawable_text):
        raise InvalidRequest(_("Tags like `<lora:name>` don't work here. Describe the image in plain text instead."))


def _priced(facts: Facts) -> tuple[int, int]:
    """Price and cost of an image."""
    if facts.price is None or facts.cost is None:
        raise InvalidRequest(
            _("{model} can't be used yet because it has no price. Choose another model.").format(model=quoted(facts.title_of(facts.model)))
        )
    return facts.price, facts.cost


def _waiting(facts: Facts) -> None:
    check_waiting(facts.waiting, facts.count, most=facts.max_waiting)


def _money(facts: Facts) -> None:
    price, cost = (each * facts.count for each in _priced(facts))
    decide(facts.payment, facts.funds, price=price, cost=cost, now=facts.now)


Check = Callable[[Facts], object]

# What holds for everybody comes first, what the member can change comes last.
CHECKS: Final[tuple[Check, ...]] = (
    _pause,
    _blocked,
    _channel,
    _role,
    _age_restricted,
    _newcomer,
    _limits,
    _markup,
    _priced,
    _waiting,
    _money,
)

# A finished image that is shown once more costs nothing and does not wait.
SHOWING_CHECKS: Final[tuple[Check, ...]] = tuple(each for each in CHECKS if each not in (_priced, _waiting, _money))
