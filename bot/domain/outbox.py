"""What Easel owes Discord: items with a kind and a due time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.domain.job import new_job_id


class ItemKind(StrEnum):
    """What is owed; in brackets what its data hold."""

    DELIVER = "deliver"  # show what became of a job
    REMOVE = "remove"  # take a message of ours away (channel_id, message_id)
    PING = "ping"  # call a member to a finished job, as was promised (token and application_id, where it is private)
    TELL = "tell"  # tell a member by direct message that a job is finished
    MARK = "mark"  # turn the ⏳ of a request that was made by a reaction into its outcome (channel_id, message_id, made; None: taken back)
    COVER = "cover"  # put the images of a message of ours behind spoilers, or take these away, as its job says (channel_id, message_id)
    CASE = "case"  # show a case to the moderators as it is now (case_id; reply_to: an earlier post about it)
    LOG = "log"  # tell of a job in its server's log channel as it is now (job_id)
    GALLERY = "gallery"  # put an image into its server's gallery (message_id)
    TELL_AUTHOR = "tell_author"  # tell the author of a case what was decided, with the way to appeal (case_id)
    TELL_BLOCK = "tell_block"  # tell a member that they are blocked on a server, until when and why (guild_id, until, reason)


@dataclass(frozen=True, kw_only=True)
class OutboxItem:
    """One thing owed. Its id is the nonce of whatever message it sends; a delivery has the id of its job."""

    kind: ItemKind
    due_at: int  # Unix ms
    id: str = field(default_factory=new_job_id)
    user_id: int | None = None  # whom it is for
    job_id: str | None = None
    attempts: int = 0  # how often it was claimed
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON; what the kind needs
