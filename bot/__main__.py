"""The doors: `python -m bot VERB`. Each verb is one line in a table; what it needs is imported when it is asked for.

Exit codes: 0 done, 1 it ran and something is wrong, 2 it could not begin. Whatever cannot begin says so in one sentence.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from bot.core import config, log
from bot.core.config import Settings
from bot.core.errors import EaselError, StartError

DONE, WRONG, NOT_BEGUN = 0, 1, 2
_ENV_FILE = Path(".env")


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot import app
    from bot.core import metrics

    # Outside of the loop: taking the page down waits for its thread.
    with (
        suppress(KeyboardInterrupt),
        metrics.serve(settings.metrics_port, settings.metrics_host),
    ):  # a Ctrl-C in the moment before the bot listens for it
        asyncio.run(app.run(settings))
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from bot.ops import demo

    show_log = partial(print, file=sys.stderr) if arguments.verbose else None
    say = partial(print, flush=True)
    return asyncio.run(demo.once(say=say, show_log=show_log) if arguments.once else demo.stay(arguments.port, say=say, show_log=show_log))


def _migrate(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot.store.engine.opening import migrate

    done = asyncio.run(migrate(settings.database))
    before = "as before" if done.before == done.after else f"it was at {done.before}" if done.before else "it was empty"
    print(f"The database is at schema {done.after} ({before}).")
    return DONE


def _sync(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot import app

    asyncio.run(app.sync(settings))
    print("The commands are registered.")
    return DONE


def _invite(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot.ops import portal

    print(asyncio.run(portal.invitation(settings)))
    return DONE


def _doctor(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot.ops import doctor

    examine = doctor.examine_ledger if arguments.ledger else doctor.examine
    return DONE if asyncio.run(examine(settings, show=partial(print, flush=True))) else WRONG


def _messages(_: argparse.Namespace) -> int:
    from bot.ops import translations

    renewed = translations.renew(asyncio.run(translations.gather()))
    for each in renewed:
        print(f"{each.language}: {each.done} of {each.texts} texts are translated.")
    faults = [f"{each.language}: {fault}." for each in renewed for fault in each.faults]
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return WRONG if faults else DONE


def _show_settings(_: argparse.Namespace) -> int:
    from bot.ops import env_example

    print(env_example.render(), end="")
    return DONE


@dataclass(frozen=True, kw_only=True)
class _Verb:
    """One door: what it does, in one line, and the function behind it, which returns the exit code."""

    name: str
    does: str
    go: Callable[[argparse.Namespace], int]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of its own, as argparse takes them


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


_DEMO_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--once": {"action": "store_true", "help": "without a person: make and edit a picture at each image API, write them to out/"},
    "--port": {"type": _port, "metavar": "N", "help": "the port of the chat page (default: 8420, or a free one where that is taken)"},
    "--verbose": {"action": "store_true", "help": "show the bot's log"},
}
_DOCTOR_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--ledger": {"action": "store_true", "help": "only prove that every credit is accounted for; may be run beside the bot"},
}
VERBS = (
    _Verb(name="run", does="run the bot until it is stopped", go=_run),
    _Verb(name="demo", does="try the bot in a local Discord, without any account", go=_demo, options=_DEMO_OPTIONS),
    _Verb(
        name="doctor", does="check settings, database, Discord and the image APIs, and say what to do", go=_doctor, options=_DOCTOR_OPTIONS
    ),
    _Verb(name="invite", does="print the addresses that bring the bot to a server or to your account", go=_invite),
    _Verb(name="sync", does="register the bot's commands with Discord", go=_sync),
    _Verb(name="migrate", does="bring the database to this version's schema", go=_migrate),
    _Verb(name="settings", does="print every setting with its meaning and default, as in .env.example", go=_show_settings),
    _Verb(name="messages", does="renew the catalogues of translations in bot/locales from the sources", go=_messages),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Go through one door and return the exit code."""
    given = _parser().parse_args(arguments)
    log.set_up(level="INFO", form="console", known_secrets=())
    try:
        return int(given.go(given))
    except KeyboardInterrupt:
        return _say("Stopped.", WRONG)
    except Exception as error:  # noqa: BLE001 - the last door: an unknown failure is logged, its secrets taken out, never printed raw
        known = _known(error)
        if known is None:
            structlog.get_logger(__name__).exception("closed by an unknown failure", verb=given.verb)
            return WRONG
        return _say(known.sentence, NOT_BEGUN if isinstance(known, StartError) else WRONG)


def _known(error: Exception) -> EaselError | None:
    """The error that has a sentence, also where a task group wraps it; None where anything else is in there, too."""
    if isinstance(error, ExceptionGroup):
        inner = [_known(each) for each in error.exceptions]
        return inner[0] if all(inner) else None
    return error if isinstance(error, EaselError) else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Easel: a Discord bot that makes and edits pictures.")
    parser.add_argument("--env-file", type=Path, default=_ENV_FILE, metavar="PATH", help="the file with the settings (default: .env)")
    doors = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
    for verb in VERBS:
        door = doors.add_parser(verb.name, help=verb.does, description=f"{verb.does[0].upper()}{verb.does[1:]}.")
        for name, option in verb.options.items():
            door.add_argument(name, **option)
        door.set_defaults(go=verb.go)
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    """The settings, and logs that keep their secrets. Raises `StartError`."""
    path: Path = arguments.env_file
    if path != _ENV_FILE and not path.exists():
        raise StartError(f"There is no {path}, which --env-file names.")
    settings = config.load(env_file=path)
    log.set_up(level=settings.log_level, form=settings.log_format, known_secrets=settings.secrets)
    return settings


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
