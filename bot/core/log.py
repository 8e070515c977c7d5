"""Logs for people or machines, with every secret taken out, whoever wrote it there."""

from __future__ import annotations

import logging
import re
import secrets
import sys
from collections.abc import Iterable

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_SHORTEST_SECRET = 6  # characters; anything shorter would blank ordinary words
_TOKENS = re.compile(
    r"(?P<before>/(?:webhooks|interactions)/\d+/)[\w.-]+"  # interaction tokens stand in Discord's addresses
    r"|(?P<bearer>Bearer )[\w.~+/-]{6,}=*"
    r"|(?P<bot>Bot )[\w.~+/-]{20,}=*"  # what is shorter is a word
    r"|(?P<query>[?&](?:sig|signature|token|hm|X-Amz-Signature|X-Amz-Credential)=)[^&\s'\"]+"
    r"|(?P<user>://[^:/\s]+:)[^@/\s]+(?=@)",
    re.IGNORECASE,
)


class Redactor:
    """Takes the given secrets, and whatever looks like a token or a signature, out of a text."""

    def __init__(self, known: Iterable[str]) -> None:
        worth = sorted({secret for secret in known if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, worth))) if worth else None

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("[secret]", text)
        return _TOKENS.sub(lambda match: next(filter(None, match.groups()), "") + "[secret]", text)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """The last stop of every record, ours and the libraries': nothing passes unread, tracebacks included."""

    def __init__(self, redact: Redactor, processors: list[Processor], chain: list[Processor]) -> None:
        super().__init__(processors=processors, foreign_pre_chain=chain)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


def set_up(*, level: str, form: str, known_secrets: Iterable[str]) -> None:
    """Send all logs to standard error, `console` or `json`. Call once, at the door."""
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
    # Below warnings the libraries speak of every request, frame and statement, with what was in them.
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
    """A short id that a member sees and an operator finds in the log."""
    return secrets.token_hex(3)


def _drop_inner(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(_logger, _method, event)
