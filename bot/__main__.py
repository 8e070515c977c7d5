"""The command line: `python -m bot VERB`. `VERBS` is the table of verbs; each imports what it needs when it runs.

Exit codes: 0 done, 1 it ran and something is wrong, 2 it could not start. Every known error is printed as one sentence.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.core.installation import missing_package

DONE, WRONG, NOT_STARTED = 0, 1, 2

try:
    import structlog

    from bot.core import config, log
    from bot.core.config import Settings, SettingsReport
    from bot.core.errors import EaselError, StartError
    from bot.core.settings.complaints import Need
except ModuleNotFoundError as error:
    print(missing_package(error, sys.argv[1:]), file=sys.stderr)
    sys.exit(NOT_STARTED)
except KeyboardInterrupt:
    sys.exit("Stopped.")


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    gc.disable()  # what is imported stays, and searching it for garbage takes a tenth of the imports; `app.run` enables it again
    from bot import app

    with suppress(KeyboardInterrupt):  # only from a Ctrl-C before the bot has set its signal handlers
        asyncio.run(app.run(settings))
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from bot.ops import demo

    show_log = partial(print, file=sys.stderr) if arguments.verbose else None
    say = partial(print, flush=True)
    work = demo.once(say=say, show_log=show_log) if arguments.once else demo.serve(arguments.port, say=say, show_log=show_log)
    return asyncio.run(work)


def _migrate(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, needs=())
    from bot.store.engine.opening import migrate

    done = asyncio.run(migrate(settings.database, backup=not arguments.no_backup))
    if arguments.restored:
        from bot.store.backup import restored

        asyncio.run(restored.mark_at(settings.database))
    before = "as before" if done.before == done.after else f"it was at {done.before}" if done.before else "it was empty"
    print(f"The database is at schema {done.after} ({before}).")
    return DONE


def _compact(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, needs=())
    from bot.store.engine.opening import compact

    before, after = asyncio.run(compact(settings.database))
    print(f"The database's file was {before / 1e6:,.1f} MB and is {after / 1e6:,.1f} MB now.")
    return DONE


def _move(arguments: argparse.Namespace) -> int:
    if (arguments.to is None) is not arguments.undo:
        raise StartError("Give either --to with the address of the new database, or --undo.")
    settings = _settings(arguments, needs=())
    from bot.ops.move import command
    from bot.ops.move.progress import ProgressShow

    if arguments.undo:
        print(asyncio.run(command.undo(settings)))
        return DONE
    log.set_up(level=settings.log_level, form=settings.log_format, known_secrets=(*settings.secrets, arguments.to))
    is_seen = sys.stderr.isatty()  # there one line is written again and again
    show_line = partial(print, file=sys.stderr, flush=True, end="\x1b[K\r" if is_seen else "\n")
    lines = ProgressShow(show=show_line, every_s=0.5 if is_seen else 10)
    return DONE if asyncio.run(command.move(settings, arguments.to, show=partial(print, flush=True), lines=lines)) else WRONG


def _backup(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, needs=())
    from bot.ops import doctor_backup

    told, is_right = asyncio.run(doctor_backup.back_up(settings, arguments.PATH, replace_existing=arguments.replace, keep=arguments.keep))
    print(told)
    return DONE if is_right else WRONG


def _sync(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    from bot import app

    asyncio.run(app.sync(settings))
    print("The commands are registered.")
    return DONE


def _invite(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, needs=(Need.DISCORD,))
    from bot.ops import portal

    print(asyncio.run(portal.invitation(settings)))
    return DONE


def _doctor(arguments: argparse.Namespace) -> int:
    from bot.ops import doctor, doctor_bill

    show = partial(print, flush=True)
    if arguments.live:
        return _doctor_live(arguments, show)
    if arguments.yes or arguments.channel is not None:
        raise StartError("--channel and --yes belong to `doctor --live`.")
    if arguments.backup:
        from bot.ops import doctor_backup

        return DONE if asyncio.run(doctor_backup.examine_backup(arguments.backup, show=show)) else WRONG
    if arguments.ledger or arguments.bill:
        examine = doctor.examine_ledger if arguments.ledger else doctor_bill.examine_bill
        return DONE if asyncio.run(examine(_settings(arguments, needs=()), show=show)) else WRONG
    given = _read(arguments, needs=tuple(Need))
    log.set_up(level="ERROR", form=given.settings.log_format, known_secrets=given.settings.secrets)  # the findings say what failed
    return DONE if asyncio.run(doctor.examine(given, show=show)) else WRONG


def _doctor_live(arguments: argparse.Namespace, show: Callable[[Any], object]) -> int:
    from bot.ops import doctor_live

    if arguments.channel is None:
        raise StartError(doctor_live.NO_CHANNEL)
    if not (arguments.yes or sys.stdin.isatty()):
        raise StartError(doctor_live.NO_TERMINAL)
    settings = _settings(arguments)
    log.set_up(level="ERROR", form=settings.log_format, known_secrets=settings.secrets)  # the findings say what failed
    plan = asyncio.run(doctor_live.plan_of(settings, arguments.channel))
    show(plan)
    if not (arguments.yes or _agrees()):
        return _say("Nothing was done.", WRONG)
    return DONE if asyncio.run(doctor_live.examine_live(plan, show=show)) else WRONG


def _agrees() -> bool:
    with suppress(EOFError):
        return input("Go on? [y/N] ").strip().casefold() in {"y", "yes"}
    return False


def _health(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, needs=())
    from bot.services.operating import heartbeat

    if trouble := heartbeat.trouble_of(settings.data_dir):
        return _say(trouble, WRONG)
    print("The bot runs, its event loop turns, and its background loops work.")
    return DONE


def _messages(_: argparse.Namespace) -> int:
    from bot.ops import translations

    renewed = translations.renew(asyncio.run(translations.gather()))
    for each in renewed:
        print(f"{each.language}: {each.done} of {each.texts} texts are translated.")
    faults = [f"{each.language}: {fault}." for each in renewed for fault in each.faults]
    print(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return WRONG if faults else DONE


def _show_settings(arguments: argparse.Namespace) -> int:
    from bot.ops import env_example, settings_page

    print(settings_page.render() if arguments.markdown else env_example.render(), end="")
    return DONE


@dataclass(frozen=True, kw_only=True)
class _Verb:
    name: str
    summary: str
    run: Callable[[argparse.Namespace], int]  # returns the exit code
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # arguments of `add_argument`, by the option's name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 10_000):
        raise argparse.ArgumentTypeError("N is a number from 1 to 9999")
    return int(text)


def _channel(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**63):
        raise argparse.ArgumentTypeError("a channel is given by its id, a number of about 19 digits")
    return int(text)


_DEMO_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--once": {"action": "store_true", "help": "without a person: create and edit an image at each image API, and write them to out/"},
    "--port": {"type": _port, "metavar": "N", "help": "the port of the chat page (default: 8420, or a free one if that is taken)"},
    "--verbose": {"action": "store_true", "help": "show the bot's log"},
}
_BACKUP_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PATH": {"help": "the new file, or a folder, where it gets a dated name"},
    "--keep": {"type": _count, "metavar": "N", "help": "in a folder: delete all but the newest N backups"},
    "--replace": {"action": "store_true", "help": "replace a file that exists"},
}
_DOCTOR_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--ledger": {"action": "store_true", "help": "only check that every credit is accounted for; works while the bot runs"},
    "--bill": {"action": "store_true", "help": "only compare this month's charges with what was counted; works while the bot runs"},
    "--backup": {"type": Path, "metavar": "PATH", "help": "only check a backup, or the newest one in a folder; nothing in it is changed"},
    "--live": {
        "action": "store_true",
        "help": "create one cheap image at each image API and post in a channel, after asking; works while the bot runs",
    },
    "--channel": {"type": _channel, "metavar": "ID", "help": "the channel that --live posts in"},
    "--yes": {"action": "store_true", "help": "agree to what --live does and costs, without being asked"},
}
_MIGRATE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--no-backup": {"action": "store_true", "help": "without the copy of an SQLite database that is made beside it before"},
    "--restored": {
        "action": "store_true",
        "help": "say that it is an older copy, so that image APIs are asked before images are requested",
    },
}
_MOVE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--to": {"metavar": "URL", "help": "the empty database to move to: sqlite:///path or postgresql://user:password@host/name"},
    "--undo": {"action": "store_true", "help": "let bots start again on the database of the settings, which was moved elsewhere"},
}
_SETTINGS_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--markdown": {"action": "store_true", "help": "as the page docs/settings.md"},
}
VERBS = (
    _Verb(name="run", summary="run the bot until it is stopped", run=_run),
    _Verb(name="demo", summary="try the bot in a local Discord, without any account", run=_demo, options=_DEMO_OPTIONS),
    _Verb(
        name="doctor",
        summary="check settings, database, Discord and the image APIs, and say what to do",
        run=_doctor,
        options=_DOCTOR_OPTIONS,
    ),
    _Verb(name="backup", summary="back up the database, also while the bot runs", run=_backup, options=_BACKUP_OPTIONS),
    _Verb(name="health", summary="say whether the bot that runs beside it does its work; for containers", run=_health),
    _Verb(name="invite", summary="print the links that add the bot to a server or to your account", run=_invite),
    _Verb(name="sync", summary="register the bot's commands with Discord", run=_sync),
    _Verb(name="migrate", summary="bring the database to this version's schema", run=_migrate, options=_MIGRATE_OPTIONS),
    _Verb(
        name="move",
        summary="move the whole database from SQLite to PostgreSQL or back, while the bot is stopped",
        run=_move,
        options=_MOVE_OPTIONS,
    ),
    _Verb(name="compact", summary="rebuild the SQLite database's file without unused space, while the bot is stopped", run=_compact),
    _Verb(
        name="settings",
        summary="print every setting with its meaning and default, as in .env.example",
        run=_show_settings,
        options=_SETTINGS_OPTIONS,
    ),
    _Verb(name="messages", summary="update the translation catalogues in bot/locales from the sources", run=_messages),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code; it is 1 if the output was closed before all of it was written, as `head` does."""
    try:
        try:
            return _run_verb(arguments)
        finally:
            sys.stdout.flush()  # also after --help, which exits
    except BrokenPipeError:  # only of the output: the clients of sockets raise errors of their own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left as it exits
        return WRONG


def _run_verb(arguments: Sequence[str] | None) -> int:
    given = _parser().parse_args(arguments)
    log.set_up(level="INFO", form="console", known_secrets=())
    try:
        return int(given.run(given))
    except KeyboardInterrupt:
        return _say("Stopped.", WRONG)
    except ModuleNotFoundError as error:  # of a development tool, or of an installation that was cut short
        return _say(missing_package(error, sys.argv[1:] if arguments is None else arguments), NOT_STARTED)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - nothing catches it later: it is logged with its secrets removed, never printed as it is
        known = _known(error)
        if known is None:
            structlog.get_logger(__name__).exception("unhandled error", verb=given.verb)
            return WRONG
        return _say(known.sentence, NOT_STARTED if isinstance(known, StartError) else WRONG)


def _known(error: Exception) -> EaselError | None:
    """The error that has a sentence, also inside a task group's exception group; None if the group holds any other error."""
    if isinstance(error, ExceptionGroup):
        inner = [_known(each) for each in error.exceptions]
        return inner[0] if all(inner) else None
    return error if isinstance(error, EaselError) else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot", description="Easel: a Discord bot that creates and edits images.")
    parser.add_argument("--env-file", type=Path, default=config.ENV_FILE, metavar="PATH", help="the file with the settings (default: .env)")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
    for verb in VERBS:
        subparser = verbs.add_parser(verb.name, help=verb.summary, description=f"{verb.summary[0].upper()}{verb.summary[1:]}.")
        for name, option in verb.options.items():
            subparser.add_argument(name, **option)
        subparser.set_defaults(run=verb.run)
    return parser


def _settings(arguments: argparse.Namespace, *, needs: Sequence[Need] = tuple(Need)) -> Settings:
    """Load the settings, and set up the logs so that their secrets are redacted. Raises `StartError`."""
    given = _read(arguments, needs=needs)
    settings = given.checked()
    for warning in given.warnings:
        structlog.get_logger(__name__).warning(warning)
    return settings


def _read(arguments: argparse.Namespace, *, needs: Sequence[Need]) -> SettingsReport:
    path: Path = arguments.env_file
    if path != config.ENV_FILE and not path.exists():
        raise StartError(f"There is no {path}, which --env-file names.")
    given = config.read(env_file=path, needs=needs)
    settings = given.settings
    log.set_up(level=settings.log_level, form=settings.log_format, known_secrets=settings.secrets)
    return given


def _say(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
