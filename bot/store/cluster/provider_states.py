"""What the processes know of the image APIs together. Each operation is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Connection, bindparam, select

from bot.domain.queueing.provider_state import ProviderState, Transition
from bot.store.engine.base import Topic, announce, upsert
from bot.store.engine.statements import Prepared
from bot.store.tables import provider_states

_STREAM = Prepared(select(provider_states.c.stream_since).where(provider_states.c.provider == bindparam("of_provider")))
_COLUMNS = tuple(provider_states.c[each.name] for each in fields(ProviderState))


def read(conn: Connection, provider: str) -> ProviderState:
    row = conn.execute(select(*_COLUMNS).where(provider_states.c.provider == provider)).mappings().one_or_none()
    return ProviderState() if row is None else ProviderState(**row)


def stream_since(conn: Connection, provider: str) -> int | None:
    """Since when (Unix ms) a process hears the image API's events; None while none does."""
    found = _STREAM.one_or_none(conn, {"of_provider": provider})
    return None if found is None else found["stream_since"]


def set_stream_since(conn: Connection, provider: str, since: int | None) -> None:
    """Called by the one process that listens."""
    insert = upsert(conn.dialect, provider_states).values(provider=provider, **vars(ProviderState()), stream_since=since)
    conn.execute(insert.on_conflict_do_update(index_elements=["provider"], set_={"stream_since": since}))


def change(conn: Connection, provider: str, transitions: Sequence[Transition]) -> tuple[ProviderState, ProviderState]:
    """Apply the transitions in order. Returns the state before and after."""
    before = after = read(conn, provider)
    for transition in transitions:
        after = transition(after)
    if after != before:
        insert = upsert(conn.dialect, provider_states).values(provider=provider, **vars(after))
        conn.execute(insert.on_conflict_do_update(index_elements=["provider"], set_=vars(after)))
        announce(conn, Topic.PROVIDERS)
    return before, after
