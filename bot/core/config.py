"""Settings, read once from the environment and `.env`, validated and frozen. The only module that reads the environment."""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from dotenv.parser import parse_stream
from pydantic import SecretStr, ValidationError

from bot.core.errors import StartError
from bot.core.log import Redactor
from bot.core.proxies import ProxyRules
from bot.core.settings import complaints
from bot.core.settings.complaints import Need
from bot.core.settings.endpoints import Endpoint, OxenSettings
from bot.core.settings.groups import (
    AdvancedSettings,
    ImageApiSettings,
    LimitSettings,
    ModerationSettings,
    MoneySettings,
    RequiredSettings,
    RetentionSettings,
    enabled_apis,
)

ENV_FILE = Path(".env")


# pydantic takes the fields of the last base first, so this is the order of the groups backwards.
class Settings(AdvancedSettings, ImageApiSettings, ModerationSettings, RetentionSettings, LimitSettings, MoneySettings, RequiredSettings):
    """All settings. A secret or an image API that nobody gave is empty; `load` says whether that is an error."""

    @property
    def database_direct(self) -> str:
        """The same database without a pooler between."""
        return with_password(self.database_direct_url.get_secret_value(), self.database_password.get_secret_value()) or self.database

    @property
    def database(self) -> str:
        """The database URL, with the default and the password filled in."""
        given = self.database_url.get_secret_value() or f"sqlite:///{self.data_dir / 'easel.sqlite3'}"
        return with_password(given, self.database_password.get_secret_value())

    @property
    def providers(self) -> tuple[OxenSettings | Endpoint, ...]:
        """Every enabled image API, in a stable order: the names of models depend on it."""
        return enabled_apis(dict(self))

    @property
    def proxies(self) -> ProxyRules:
        return ProxyRules(https_proxy=self.https_proxy, no_proxy=self.no_proxy)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, so that it can be kept out of logs."""
        own = [value for _, value in self if isinstance(value, SecretStr)]
        keys = [secret.get_secret_value() for secret in (*own, *(each.key for each in self.providers))]
        passwords = (urlsplit(self.https_proxy).password, quote(self.database_password.get_secret_value(), safe=""))
        return tuple(dict.fromkeys(filter(None, (*keys, *passwords))))

    def is_given(self, name: str) -> bool:
        """Whether the operator set the variable of this name."""
        return name.lower() in self.model_fields_set


def with_password(address: str, password: str) -> str:
    """The address of a PostgreSQL database with the password of its user, unless it has one; any other address as it is."""
    parts = urlsplit(address)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme != "postgresql" or not (user and password) or ":" in user:
        return address
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


_SECRET_FIELDS = tuple(name.upper() for name, each in Settings.model_fields.items() if each.annotation is SecretStr)
SECRETS = (*_SECRET_FIELDS, "OPENAI_ENDPOINTS", "HTTPS_PROXY")  # these two may contain some
SECRET_FILES = tuple(f"{name}_FILE" for name in SECRETS)
_LOWER_CASE = ("https_proxy", "no_proxy")  # as other programs name them too
NAMES = frozenset(name.upper() for name in Settings.model_fields) | frozenset(SECRET_FILES)


@dataclass(frozen=True, kw_only=True)
class SettingsReport:
    """What was read: settings that can be used as far as they go, and what is wrong with the rest."""

    settings: Settings  # a wrong value counts as not given
    wrong: tuple[str, ...]  # a sentence for each mistake
    missing: tuple[Need, ...]  # without those whose setting is among the mistakes
    is_first_start: bool  # whether something is missing because nobody has given any settings yet
    warnings: tuple[str, ...]

    def checked(self) -> Settings:
        """The settings. Raises `StartError` with a line for each problem."""
        if self.wrong or self.missing:
            missing = [complaints.NO_SETTINGS] if self.is_first_start else self.missing
            raise StartError("\n".join((*self.wrong, *missing, *self.warnings)))
        return self.settings


def load(environ: Mapping[str, str] | None = None, *, env_file: Path | None = ENV_FILE) -> Settings:
    """Read `.env`, override it by the environment, validate. Raises `StartError` naming every missing, wrong or misspelt setting."""
    return read(environ, env_file=env_file).checked()


def read(
    environ: Mapping[str, str] | None = None, *, env_file: Path | None = ENV_FILE, needs: Collection[Need] = tuple(Need)
) -> SettingsReport:
    """Read `.env`, override it by the environment, validate. Raises `StartError` if the file cannot be read.

    A secret may also be given as NAME_FILE, the path of a file that contains it (container secrets). An unknown name in `.env` is a
    mistake; in the environment it is ignored, with a warning if it is almost the name of a setting.
    """
    environ = os.environ if environ is None else environ
    reading = _Reading()
    other_programs = {name.upper(): environ[name] for name in _LOWER_CASE if name in environ}
    given = {name: value for name, value in {**reading.file(env_file), **other_programs, **environ}.items() if name in NAMES}
    # An empty value means the default, as in the example file.
    values = {name.lower(): value.strip() for name, value in reading.secret_files(given).items() if value.strip()}
    settings = reading.validate(values)
    missing = tuple(need for need in needs if _is_missing(need, settings) and not reading.mistaken & {*complaints.NEEDED[need]})
    has_file = env_file is None or env_file.exists()
    return SettingsReport(
        settings=settings,
        wrong=tuple(dict.fromkeys(reading.wrong)),
        missing=missing,
        is_first_start=bool(missing)
        and not has_file
        and not any(name.startswith(complaints.NEEDED[need]) for need in Need for name in given),
        warnings=tuple(complaints.misspelt(environ, NAMES)),
    )


def environment_of_program(**more: str) -> dict[str, str]:
    """The environment of this process for a program that it runs: without the bot's settings, and with `more`."""
    return {name: value for name, value in os.environ.items() if name not in NAMES} | more


def told_by_service_manager() -> dict[str, str]:
    """The variables that systemd, or another service manager, sets for what it starts."""
    return {name: os.environ[name] for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC") if name in os.environ}


def _is_missing(need: Need, settings: Settings) -> bool:
    return not settings.discord_token if need is Need.DISCORD else not settings.providers


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """The mistakes of one reading."""

    wrong: list[str] = field(default_factory=list)  # sentences
    mistaken: set[str] = field(default_factory=set)  # the settings that they are about

    def file(self, path: Path | None) -> dict[str, str]:
        """The settings in a file, as text by name."""
        found = {}
        for number, name, value in _lines(path) if path is not None and path.exists() else ():
            if name in NAMES:
                found[name] = value or ""
            elif value is None:  # perhaps a key without its name, so it is not repeated
                self.wrong.append(f"Line {number} of {path} must be NAME=value.")
            else:
                near = complaints.nearest(name, NAMES)
                self.mistaken.add((near or "").removesuffix("_FILE"))
                is_shown = near or complaints.is_shown(name)
                self.wrong.append(complaints.unknown(name if is_shown else f"Line {number}", place=path, near=near))
        return found

    def secret_files(self, given: Mapping[str, str]) -> dict[str, str]:
        """Replace each NAME_FILE by the NAME that its file contains."""
        values = {name: value for name, value in given.items() if name not in SECRET_FILES}
        for name in SECRET_FILES:
            path = given.get(name, "").strip()
            if not path:
                continue
            secret, trouble = _read_secret(Path(path))
            values[name.removesuffix("_FILE")] = secret
            if trouble:
                self.mistaken.add(name.removesuffix("_FILE"))
                is_now = f" is {path}, which" if "/" in path else " names a file that"  # without a slash it may be the secret itself
                self.wrong.append(f"{name}{is_now} {trouble}.")
        return values

    def validate(self, values: Mapping[str, str]) -> Settings:
        """The settings; wrong values are noted and left out."""
        try:
            return Settings(**values)  # strings; the model parses them
        except ValidationError as error:
            problems = [each for each in error.errors(include_url=False) if each["type"] != "default_factory_not_called"]
        redact = Redactor(values[name.lower()] for name in SECRETS if name.lower() in values)
        names = {str(problem["loc"][0]) for problem in problems}
        shown = {name: None if name.upper() in SECRETS else redact(values[name]) for name in names}
        self.wrong.extend(complaints.wrong(problem, fields=Settings, value=shown[str(problem["loc"][0])]) for problem in problems)
        self.mistaken.update(map(str.upper, names))
        return self.validate({name: value for name, value in values.items() if name not in names})


def _lines(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Line number, name and value of each setting in a file; no value where the line is not NAME=value. Raises `StartError`."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise StartError(f"{path} can't be read ({_reason(error)}).") from error
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or binding.key is not None:
            yield binding.original.line, binding.key or "", binding.value


def _read_secret(path: Path) -> tuple[str, str]:
    """What a file holds, and what is wrong with it; either is empty."""
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, ValueError) as error:  # a ValueError where it is no text
        return "", f"can't be read ({_reason(error)})"
    return secret, "" if secret else "is empty"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it is not UTF-8 text"
