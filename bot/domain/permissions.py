"""Authority over something that exists: who may do what to an image, a case, a server's settings or an account, and the sentence for no.

One table. `check` raises its sentence, `may` is the same as a bool, for what is drawn or left out. Whether a new order may be taken is
decided in `bot.domain.admission`; nothing else decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from bot.core.errors import NotAllowed
from bot.core.i18n import N_, _
from bot.domain.actor import Actor
from bot.domain.gestures import DESCRIBES
from bot.domain.guild.document import Policy
from bot.domain.job import Job
from bot.domain.preferences import Consent
from bot.domain.request import Request


class Action(Enum):
    """What somebody wants to do to a target."""

    SEE = auto()  # an image's details, also as a relative of another
    ORIGINAL = auto()  # have the full files of an image
    AGAIN = auto()  # make an image's request once more
    USE = auto()  # edit an image, or take it as a reference
    CANCEL = auto()
    DELETE = auto()
    HIDE = auto()  # behind a spoiler
    FLAG = auto()  # tell the moderators of an image
    MODERATE = auto()  # see and do what is the moderators' of a server
    DECIDE = auto()  # a case, or about an image
    BLOCK = auto()  # a member
    APPEAL = auto()  # against a decision
    MANAGE = auto()  # a server's settings
    STOP_SPONSORSHIP = auto()
    BROWSE = auto()  # an entry of one's own history
    SEND = auto()  # a form that was opened
    ANSWER = auto()  # the button of a note that calls somebody by name


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an action is about, as far as rights depend on it. The defaults take nothing away and give nothing."""

    guild_id: int | None = None  # the guild that it belongs to, whose moderators have rights over it
    owner_id: int | None = None  # who asked for the image, or posted it, opened the form, pays; None: nobody who is known
    private: bool = False  # made for its owner's eyes
    is_readable: bool = True  # it stands where the actor can read
    consent: Consent = Consent.EVERYONE  # who may use the owner's images
    consent_role_id: int | None = None
    acquits: bool = False  # the decision is in favour of its owner
    is_open: bool = True  # it can still be done: one appeal, against some decisions


def image_of(job: Job, *, guild_id: int | None = None, is_readable: bool = True) -> Target:
    """A job's image; `guild_id` names a server that decides about it beside the one where it stands."""
    place = job.place
    guild_id = place.guild_id if guild_id is None else guild_id
    return Target(guild_id=guild_id, owner_id=place.user_id, private=place.private, is_readable=is_readable)


def is_owner(request: Request, target: Target) -> bool:
    return _owner(request, target)


def is_moderator(actor: Actor, policy: Policy) -> bool:
    """By what somebody may do on Discord, or by one of the server's roles for it."""
    is_named = not set(policy.moderator_role_ids).isdisjoint(actor.role_ids)
    return actor.may_manage_messages or actor.may_manage_server or is_named


def is_manager(actor: Actor) -> bool:
    return actor.may_manage_server


def check(request: Request, action: Action, target: Target | None = None) -> None:
    """Raise `NotAllowed` with the sentence of the first condition that does not hold. Without a target it is the request's guild."""
    refused = _refusal(request, action, target)
    if refused is not None:
        raise NotAllowed(refused)


def may(request: Request, action: Action, target: Target | None = None) -> bool:
    """The same as a bool."""
    return _refusal(request, action, target) is None


def check_in_guild(request: Request, action: Action, target: Target | None = None) -> int:
    """As `check`, of what only a server's moderators or managers may do. Return the server's id."""
    check(request, action, target)
    if request.guild_id is None:  # their conditions hold in servers alone
        raise NotAllowed(_(_MODERATORS.sentence))
    return request.guild_id


def _refusal(request: Request, action: Action, target: Target | None) -> str | None:
    about = Target(guild_id=request.guild_id) if target is None else target
    sentence = next((rule.sentence for rule in RULES[action] if not rule.allows(request, about)), None)
    return None if sentence is None else _(sentence).format(member=f"<@{about.owner_id}>", emoji=DESCRIBES)


# --- conditions ------------------------------------------------------------------------------------------------------

Condition = Callable[[Request, Target], bool]


def _owner(request: Request, target: Target) -> bool:
    return target.owner_id is not None and target.owner_id == request.actor.user_id


def _stranger(request: Request, target: Target) -> bool:
    return not _owner(request, target)


def _moderator(request: Request, target: Target) -> bool:
    """Of the server that the target belongs to: nobody brings rights along from another one."""
    return _in_guild(request, target) and is_moderator(request.actor, request.policy)


def _manager(request: Request, target: Target) -> bool:
    return _in_guild(request, target) and is_manager(request.actor)


def _in_guild(request: Request, target: Target) -> bool:
    return request.guild_id is not None and target.guild_id == request.guild_id


def _public(_request: Request, target: Target) -> bool:
    return not target.private


def _visible(_request: Request, target: Target) -> bool:
    return not target.private and target.is_readable


def _consented(request: Request, target: Target) -> bool:
    if target.consent is Consent.ROLE:
        return target.consent_role_id in request.actor.role_ids
    return target.consent is Consent.EVERYONE


def _convicts(_request: Request, target: Target) -> bool:
    return not target.acquits


def _open(_request: Request, target: Target) -> bool:
    return target.is_open


def _any(*conditions: Condition) -> Condition:
    return lambda request, target: any(condition(request, target) for condition in conditions)


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A condition, and what is said where it does not hold.

    `{member}` stands for the target's owner, `{emoji}` for the reaction that asks for an edit.
    """

    allows: Condition
    sentence: str


_MODERATORS = Rule(_moderator, N_("This is for the moderators of this server."))
_NOT_SEEN = Rule(_any(_owner, _visible), N_("That picture is private, or in a place that you do not see from here."))
_NO_APPEAL = N_("There is nothing to appeal here: a decision can be appealed once, by the person it is about.")

RULES: Final[Mapping[Action, tuple[Rule, ...]]] = MappingProxyType(
    {
        Action.SEE: (_NOT_SEEN,),
        Action.ORIGINAL: (Rule(_any(_owner, _public), N_("That picture was made in private.")),),
        Action.AGAIN: (
            Rule(_any(_owner, _public), N_("That picture was made in private; only its maker can ask for it again.")),
            _NOT_SEEN,
        ),
        Action.USE: (Rule(_any(_owner, _consented), N_("{member} does not let you edit their pictures.")),),
        Action.CANCEL: (Rule(_any(_owner, _moderator), N_("Only the person who asked for it, or a moderator, can cancel this.")),),
        Action.DELETE: (Rule(_any(_owner, _moderator), N_("Only the person who asked for this picture, or a moderator, can delete it.")),),
        Action.HIDE: (Rule(_any(_owner, _moderator), N_("Only the person who asked for this picture, or a moderator, can hide it.")),),
        Action.FLAG: (
            Rule(_in_guild, N_("Reports go to the moderators of a server that Easel is a member of; here there are none.")),
            Rule(_stranger, N_("This is your own picture; Delete takes it away.")),
        ),
        Action.MODERATE: (_MODERATORS,),
        Action.DECIDE: (
            _MODERATORS,
            # Nobody acquits themselves, except where they manage the server: there may be no other moderator.
            Rule(_any(_stranger, _convicts, _manager), N_("This is about your own picture; another moderator decides.")),
        ),
        Action.BLOCK: (_MODERATORS, Rule(_stranger, N_("You cannot block yourself."))),
        Action.APPEAL: (Rule(_owner, _NO_APPEAL), Rule(_open, _NO_APPEAL)),
        Action.MANAGE: (Rule(_manager, N_("This is for those who may manage this server.")),),
        Action.STOP_SPONSORSHIP: (Rule(_any(_owner, _moderator), N_("Only the one who pays, or a moderator, can end it.")),),
        Action.BROWSE: (Rule(_owner, N_("That one is not in your history any more.")),),
        Action.SEND: (Rule(_owner, N_("This form is too old; please begin again.")),),
        Action.ANSWER: (
            Rule(_owner, N_("This note is for {member}. React with {emoji} to the picture yourself, or press Edit under it.")),
        ),
    }
)
