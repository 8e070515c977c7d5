"""The member who acts, as Discord described them in the interaction or event. Valid for one request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Actor:
    """A user with their roles and permissions in the guild; in direct messages the defaults hold."""

    user_id: int
    role_ids: frozenset[int] = frozenset()
    joined_at: int | None = None  # Unix ms; None for guests and in direct messages
    may_manage_messages: bool = False
    may_manage_server: bool = False
