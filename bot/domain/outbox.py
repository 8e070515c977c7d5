"""Items of the outbox: what is still to be done on Discord, with a kind and a due time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from bot.domain.job import new_job_id

TROUBLE_AT: Final = "trouble_at"  # when (Unix ms) this machine was last too short of something for the item


class ItemKind(StrEnum):
    """What to do. In brackets: the keys of `OutboxItem.data`, which also has `TROUBLE_AT` after a shortage of this machine."""

    DELIVER = "deliver"  # show the result of a job
    REMOVE = "remove"  # delete a message of the bot (channel_id, message_id)
    PING = "ping"  # mention the member when a job is done, as promised (token and application_id if it is private)
    TELL = "tell"  # send a direct message that a job is done
    MARK = "mark"  # show ⏳ on a message while something is being made from it (channel_id, message_id, starts: it is ordered now)
    REACTIONS = "reactions"  # answer what became of a member's reactions (those of a `ReactionBatch`)
    COVER = "cover"  # set or remove the spoilers of a message, as its job says (channel_id, message_id)
    CASE = "case"  # post or update a case for the moderators (case_id; reply_to: an earlier post)
    LOG = "log"  # post or update a job in the log channel (job_id; guild_id: whose, if not where it was ordered)
    GALLERY = "gallery"  # post an image in the gallery (message_id)
    TELL_AUTHOR = "tell_author"  # send the decision about a case to its author, with the appeal button (case_id; strike: what it led to)
    TELL_HIDDEN = "tell_hidden"  # tell an author that flags hide their image until a moderator decides (case_id)
    TELL_BLOCK = "tell_block"  # send a member the notice that they are blocked (guild_id, until, reason; block_id)
    TELL_HOST = "tell_host"  # send a DM that a sponsorship ended because its channel is gone (server: its name, amount: microcredits)
    SPONSOR = "sponsor"  # show that a sponsorship has ended in its public message (sponsorship: its id)
    FLAGGED = "flagged"  # take away a flag's reaction, and answer its member (guild_id, channel_id, message_id, counts, is_new, burst)
    NO_CHANNEL = "no_channel"  # tell a guild's managers that a report waits, and that no channel for cases is set (guild_id)
    GONE = "gone"  # tell a guild's managers that their settings name deleted channels and roles (guild_id, ids)
    WELCOME = "welcome"  # offer setup to the managers of a guild that the bot has joined (guild_id)


class Pool(StrEnum):
    """Which worker does the items of a kind."""

    RESULTS = "results"
    MEMBERS = "members"
    MODERATORS = "moderators"  # also galleries; separate, so that a busy log does not delay members


POOL_OF: Mapping[ItemKind, Pool] = MappingProxyType(
    {
        **dict.fromkeys(ItemKind, Pool.MEMBERS),
        ItemKind.DELIVER: Pool.RESULTS,
        **dict.fromkeys((ItemKind.CASE, ItemKind.LOG, ItemKind.GALLERY), Pool.MODERATORS),
        **dict.fromkeys((ItemKind.NO_CHANNEL, ItemKind.GONE, ItemKind.WELCOME), Pool.MODERATORS),
    }
)


@dataclass(frozen=True, kw_only=True)
class OutboxItem:
    """One item. Its id is the nonce of the message that it sends; a DELIVER item has the id of its job."""

    kind: ItemKind
    due_at: int  # Unix ms
    id: str = field(default_factory=new_job_id)
    user_id: int | None = None  # the recipient
    job_id: str | None = None
    attempts: int = 0  # how often it was claimed
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON

    @property
    def trouble_at(self) -> int:
        """When (Unix ms) this machine was last too short of something for it; 0: never."""
        return int(self.data.get(TROUBLE_AT, 0))
