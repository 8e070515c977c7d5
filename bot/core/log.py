"""Logging for people or machines. Secrets are redacted from every record, including those of libraries."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SHORTEST_SECRET = 6  # characters; a shorter one would redact ordinary words
# What signs and opens something, by its kind and not by a list of names. Values of up to three characters are no secrets.
_QUERY = r"(?:[?&;#]|\\u0026|&amp;|%3F|%26)[\w.~%\[\]-]{1,64}?(?:=|%3D)"
_FIELDS = r"(?:[a-z0-9]+[_-])*(?:token|secret|password|authorization|api[_-]?key|session_id|cookie)"
_TOKENS = re.compile(
    r"(?P<before>/(?:webhooks|interactions)/\d+/)[\w.=-]+"  # Discord's URLs contain interaction tokens
    r"|aW50ZXJhY3Rpb246[\w.=+/-]+"  # an interaction token begins with "interaction:" in base64
    r"|(?P<bearer>Bearer )[\w.~+/-]{6,}=*"
    r"|(?P<bot>Bot )[\w.~+/-]{20,}=*"  # anything shorter is an ordinary word
    rf"|(?P<query>{_QUERY})[^&\s'\"<>\\#]{{4,}}"
    rf"|(?P<field>['\"]{_FIELDS}\\?['\"]\s*[:,]\s*b?\\?['\"])[^'\"\\]{{6,}}"
    rf"|(?P<named>\b{_FIELDS}=b?['\"]?)[^\s'\",)]{{6,}}"
    r"|(?P<user>://[^:/\s@'\"]+:)[^@/\s]+(?=@)"
    r"|(?P<key>://)[^:/\s@'\"]{6,}(?=@)"  # a key in place of a user
    r"|(?P<data>\bdata:[\w/.+-]+;base64,)[\w+/=]{16,}",
    re.IGNORECASE,
)


class Redactor:
    """Replaces the known secrets, and everything that looks like a token or a signature, by "[secret]"."""

    def __init__(self, known: Iterable[str]) -> None:
        redacted = sorted({secret for secret in known if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, redacted))) if redacted else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("[secret]", text)
        return _TOKENS.sub(lambda match: next(filter(None, match.groups()), "") + "[secret]", text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats every record, the libraries' too, and redacts the result, including tracebacks."""

    def __init__(self, redact: Redactor, processors: list[Processor], chain: list[Processor]) -> None:
        super().__init__(processors=processors, foreign_pre_chain=chain)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


def set_up(*, level: str, form: str, known_secrets: Iterable[str]) -> None:
    """Send all logs to standard error; `form` is "console" or "json". Call once, at startup."""
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ends: dict[str, list[Processor]] = {
        "json": [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        "console": [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)],
    }
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(Redactor(known_secrets), [_drop_inner, *ends[form]], chain))
    # Below WARNING the libraries log the contents of every request, gateway message and SQL statement.
    logging.basicConfig(handlers=[handler], level=max(logging.getLevelName(level), logging.WARNING), force=True)
    for ours in ("bot", "cogs"):
        logging.getLogger(ours).setLevel(level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def fault_id() -> str:
    """A short id that is shown to a member and logged, so that the operator can find the error."""
    return secrets.token_hex(3)


def _drop_inner(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _method, event)
