"""Who asks: what Discord told of a member with the interaction or the event, believed for this one request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A person, and what they are in the server that they ask from; in direct messages nothing but a person."""

    user_id: int
    role_ids: frozenset[int] = frozenset()
    joined_at: int | None = None  # Unix ms; None outside servers
    may_manage_messages: bool = False
    may_manage_server: bool = False
