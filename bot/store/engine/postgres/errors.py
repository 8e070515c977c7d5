"""What the errors of PostgreSQL and its driver say of the server, by SQLSTATE (PostgreSQL's manual, appendix A)."""

from __future__ import annotations

from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from bot.store.engine.outage import Away, Work

CONFLICTS: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected: repeat the whole operation
READ_ONLY: Final = "25006"
LOCK_TIMEOUT: Final = "55P03"  # lock_not_available

_SERVER: Final = "Check that PostgreSQL runs and can be reached. Easel goes on by itself."
_LOCKED: Final = "End the session that locks Easel's rows or tables. Easel goes on by itself."
# By SQLSTATE or the beginning of one, the longest first: what the operator should do.
_AWAY: Final = {
    "25P03": _SERVER,  # idle_in_transaction_session_timeout
    "25P04": _SERVER,  # transaction_timeout
    READ_ONLY: "Make the PostgreSQL server writable: it is a standby, or its default is read-only. Easel goes on by itself.",
    "53100": "Free disk space on the PostgreSQL server. Easel goes on by itself.",
    "53300": "Raise PostgreSQL's max_connections, or end other sessions. Easel goes on by itself.",
    LOCK_TIMEOUT: _LOCKED,
    "57014": _LOCKED,  # query_canceled, by statement_timeout
    "08": _SERVER,  # connection_exception; PgBouncer's own errors too
    "28": "Check the user and the password in DATABASE_URL. Easel goes on by itself.",  # invalid_authorization_specification
    "3D": "Check that the database in DATABASE_URL exists. Easel goes on by itself.",  # invalid_catalog_name
    "53": _SERVER,  # insufficient_resources
    "57P": _SERVER,  # admin_shutdown, crash_shutdown, cannot_connect_now, database_dropped, idle_session_timeout
    "58": _SERVER,  # system_error
}
_OTHERS_WORK: Final = (LOCK_TIMEOUT, "57014")
_DAMAGED: Final = ("XX001", "XX002")  # data_corrupted, index_corrupted


class SessionLost(ConnectionError):
    """The session cannot be used; the text says why."""


class TooSlow(SessionLost):
    """The session was ended because it did not answer in time."""


def away(error: BaseException, work: Work) -> Away | None:
    """Why the server did not do it, if it may do the same later."""
    if (state := state_of(error)) is not None:
        if work is Work.READS and state == READ_ONLY:
            return None  # the query tried to write
        do = next((do for beginning, do in _AWAY.items() if state.startswith(beginning)), None)
        return Away(reason=_reason(error), do=do, is_whole=state not in _OTHERS_WORK) if do is not None else None
    return Away(reason=_reason(error), do=_SERVER) if _is_disconnect(error) else None


def damage(error: BaseException) -> str | None:
    """What the error says of damaged pages, if it does."""
    return _reason(error) if state_of(error) in _DAMAGED else None


def is_conflict(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and state_of(error) in CONFLICTS


def state_of(error: BaseException) -> str | None:
    """The SQLSTATE, if the error has one."""
    state: str | None = getattr(getattr(error, "orig", error), "sqlstate", None)
    return state


def lost(error: Exception) -> SessionLost | None:
    """The error of a connection that is closed by now; None if that is not its cause, or if the server said why."""
    import asyncpg  # type: ignore[import-untyped]  # no type information; imported here because SQLite does not need it

    drivers = (SQLAlchemyError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    return SessionLost(_reason(error)) if isinstance(error, drivers) and state_of(error) is None else None


def _is_disconnect(error: BaseException) -> bool:
    """Errors without a SQLSTATE: of the network, the pool and connecting. SQLAlchemy wraps the driver's complaints about statements."""
    import asyncpg  # no type information; imported here because SQLite does not need it

    kinds = (OSError, EOFError, PoolTimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    return isinstance(error, kinds) or getattr(error, "connection_invalidated", False)


def _reason(error: BaseException) -> str:
    """One line."""
    cause = getattr(error, "orig", None) or error
    text = next(iter(str(cause).splitlines()), "")
    return text or type(cause).__name__
