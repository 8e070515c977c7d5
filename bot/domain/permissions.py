"""Permissions: who may do what to an image, a case, a guild's settings or an account. One table of rules, `RULES`.

`check` raises the refusal, `may` returns a bool, to show or hide buttons. New orders are decided in `bot.domain.admission`.
No other module decides about permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
    """What an actor wants to do with a target."""

    SEE = auto()  # see the details of an image, also in another image's lineage
    ORIGINAL = auto()  # get the full files of an image
    AGAIN = auto()  # repeat an image's request
    USE = auto()  # edit an image, or use it as a reference
    CANCEL = auto()
    DELETE = auto()
    HIDE = auto()  # put an image behind a spoiler
    FLAG = auto()  # report an image to the moderators
    MODERATE = auto()  # use the moderators' commands of a guild
    DECIDE = auto()  # decide a case, or about an image
    BLOCK = auto()  # block a member
    APPEAL = auto()  # appeal against a decision
    MANAGE = auto()  # change a guild's settings
    STOP_SPONSORSHIP = auto()
    BROWSE = auto()  # open an entry of one's own history
    SEND = auto()  # submit a form
    ANSWER = auto()  # press the button of a note that mentions a member
    RETRY = auto()  # change what was ordered and order it again


@dataclass(frozen=True, kw_only=True)
class Target:
    """The facts about an action's object that permissions depend on."""

    guild_id: int | None = None  # the guild that it belongs to, whose moderators have permissions over it
    owner_id: int | None = None  # who ordered or posted the image, opened the form, or pays; None: unknown
    private: bool = False  # only its owner may see it
    is_readable: bool = True  # the actor can read the channel that it is in
    consent: Consent = Consent.EVERYONE  # who may use the owner's images
    consent_role_id: int | None = None
    favors_owner: bool = False  # the decision is in the owner's favour
    is_open: bool = True  # the action is still possible, such as a first appeal


def image_of(job: Job, *, guild_id: int | None = None, is_readable: bool = True) -> Target:
    """A job's image as a target. `guild_id`: the guild that decides about it, if not the one in which it was ordered."""
    place = job.place
    guild_id = place.guild_id if guild_id is None else guild_id
    return Target(guild_id=guild_id, owner_id=place.user_id, private=place.private, is_readable=is_readable)


def is_owner(request: Request, target: Target) -> bool:
    return _owner(request, target)


def is_moderator(actor: Actor, policy: Policy) -> bool:
    """By Discord permission, or by one of the guild's moderator roles."""
    is_named = not set(policy.moderator_role_ids).isdisjoint(actor.role_ids)
    return actor.may_manage_messages or actor.may_manage_server or is_named


def is_manager(actor: Actor) -> bool:
    return actor.may_manage_server


def managers_of(actors: Iterable[Actor]) -> list[int]:
    """The ids of those who are managers."""
    return [actor.user_id for actor in actors if is_manager(actor)]


def check(request: Request, action: Action, target: Target | None = None) -> None:
    """Raise `NotAllowed` with the sentence of the first rule that refuses. Without a target, the request's guild is the target."""
    refused = _refusal(request, action, target)
    if refused is not None:
        raise NotAllowed(refused)


def may(request: Request, action: Action, target: Target | None = None) -> bool:
    """Whether `check` would pass."""
    return _refusal(request, action, target) is None


def check_in_guild(request: Request, action: Action, target: Target | None = None) -> int:
    """As `check`, for actions of a guild's moderators or managers. Return the guild's id."""
    check(request, action, target)
    if request.guild_id is None:  # their conditions only hold in guilds
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


def _not_owner(request: Request, target: Target) -> bool:
    return not _owner(request, target)


def _moderator(request: Request, target: Target) -> bool:
    """A moderator of the target's own guild: moderators have no permissions over other guilds' targets."""
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


def _against_owner(_request: Request, target: Target) -> bool:
    return not target.favors_owner


def _open(_request: Request, target: Target) -> bool:
    return target.is_open


def _any(*conditions: Condition) -> Condition:
    return lambda request, target: any(condition(request, target) for condition in conditions)


# --- the table -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A condition, and the refusal if it does not hold.

    In the sentence, `{member}` is replaced by the target's owner and `{emoji}` by the reaction that requests an edit.
    """

    allows: Condition
    sentence: str


_MODERATORS = Rule(_moderator, N_("Only this server's moderators can do this."))
_NOT_SEEN = Rule(_any(_owner, _visible), N_("That image is private, or in a channel you can't see from here."))
_NO_APPEAL = N_("You can't appeal this. A decision can be appealed once, by the person it's about.")

RULES: Final[Mapping[Action, tuple[Rule, ...]]] = MappingProxyType(
    {
        Action.SEE: (_NOT_SEEN,),
        Action.ORIGINAL: (Rule(_any(_owner, _public), N_("That image is private.")),),
        Action.AGAIN: (
            Rule(_any(_owner, _public), N_("That image is private. Only its author can run it again.")),
            _NOT_SEEN,
        ),
        Action.USE: (Rule(_any(_owner, _consented), N_("{member} doesn't let you edit their images.")),),
        Action.CANCEL: (Rule(_any(_owner, _moderator), N_("Only the author or a moderator can cancel this.")),),
        Action.DELETE: (Rule(_any(_owner, _moderator), N_("Only the author or a moderator can delete this image.")),),
        Action.HIDE: (Rule(_any(_owner, _moderator), N_("Only the author or a moderator can hide this image.")),),
        Action.FLAG: (
            Rule(_in_guild, N_("You can only report images on a server where Easel is a member.")),
            Rule(_not_owner, N_("This is your own image. Use Delete to remove it.")),
        ),
        Action.MODERATE: (_MODERATORS,),
        Action.DECIDE: (
            _MODERATORS,
            # Moderators cannot decide in their own favour. Managers can: there may be no other moderator.
            Rule(_any(_not_owner, _against_owner, _manager), N_("This case is about your own image, so another moderator has to decide.")),
        ),
        Action.BLOCK: (_MODERATORS, Rule(_not_owner, N_("You can't block yourself."))),
        Action.APPEAL: (Rule(_owner, _NO_APPEAL), Rule(_open, _NO_APPEAL)),
        Action.MANAGE: (Rule(_manager, N_("Only members with the Manage Server permission can do this.")),),
        Action.STOP_SPONSORSHIP: (Rule(_any(_owner, _moderator), N_("Only the sponsor or a moderator can end this.")),),
        Action.BROWSE: (Rule(_owner, N_("That image is no longer in your history.")),),
        Action.SEND: (Rule(_owner, N_("This form has expired. Start again.")),),
        Action.RETRY: (Rule(_owner, N_("Only {member} can change this. Create an image of your own with /generate.")),),
        Action.ANSWER: (Rule(_owner, N_("This is for {member}. React to the image with {emoji} yourself, or use its buttons.")),),
    }
)
