"""Every setting, read once from the environment and `.env`, checked, frozen. The only reader of the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from bot.errors import StartError

_HOST = re.compile(r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:(?P<port>[0-9]{1,5}))?$")


class OxenMode(StrEnum):
    EVENTS = "events"  # queue and event stream; polls while the stream cannot be had
    POLL = "poll"  # queue and adaptive polling
    SYNC = "sync"  # one blocking call a picture


class ReferenceMode(StrEnum):
    AUTO = "auto"  # a link while it is fresh and the image API can reach it, else inline
    LINK = "link"  # always Discord's link
    INLINE = "inline"  # always a data URI, cleaned of metadata


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    hosts = tuple(host.lower() for host in value)
    for host in hosts:
        match = _HOST.match(host)
        if match is None or not 1 <= int(match["port"] or 443) <= 65535:
            raise ValueError(f"hosts are written name or name:port, comma separated; {host!r} is neither")
    return hosts


def _base_url(value: str) -> str:
    if not re.match(r"^https?://[^/\s]+", value):
        raise ValueError("an address starting with https:// (or http:// on your own machine) is needed")
    return value.rstrip("/")


def _socket_url(value: str) -> str:
    if not re.match(r"^wss?://[^/\s]+", value):
        raise ValueError("an address starting with wss:// (or ws:// on your own machine) is needed")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    if value and not value.get_secret_value().startswith(("sqlite:///", "postgresql://")):
        raise ValueError("sqlite:///path/to/file or postgresql://user@host/name is needed")
    return value


def _prices(value: object) -> object:
    if not isinstance(value, str):
        return value
    prices = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        model, _, price = part.rpartition("=")
        if not model.strip():
            raise ValueError(f"prices are written model=number of credits, comma separated; {part!r} is not")
        prices[model.strip()] = price.strip()
    return prices


Hosts = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_hosts)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
SocketUrl = Annotated[str, AfterValidator(_socket_url)]
Prices = Annotated[Mapping[str, Annotated[float, Field(ge=0, le=1_000_000)]], BeforeValidator(_prices)]


class Settings(BaseModel):
    """The settings. Their names in the environment are the field names in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    discord_token: SecretStr = Field(min_length=1, description="The bot's token, from the Bot page of your Discord application. Required.")
    discord_api_url: BaseUrl = Field("https://discord.com/api/v10", description="Discord's HTTP API.")
    discord_gateway_url: SocketUrl = Field("wss://gateway.discord.gg/", description="Discord's gateway.")
    discord_cdn_hosts: Hosts = Field(
        ("cdn.discordapp.com", "media.discordapp.net"), description="Hosts that attachments may be fetched from (name or name:port)."
    )

    oxen_api_key: SecretStr = Field(min_length=1, description="The API key of your Oxen.ai account. Required.")
    oxen_base_url: BaseUrl = Field("https://hub.oxen.ai", description="The image API's address.")
    oxen_namespace: str = Field(
        "", max_length=200, description="Namespace that results are stored in and billed to; empty: the key's own user."
    )
    oxen_mode: OxenMode = Field(OxenMode.EVENTS, description="How results are learnt of: events, poll or sync.")
    result_hosts: Hosts = Field(
        (), description="Hosts that results may be fetched from; empty: any public https address the image API names, and its own host."
    )

    database_url: Annotated[SecretStr, AfterValidator(_database_url)] = Field(
        SecretStr(""), description="sqlite:///path or postgresql://user:password@host/name; empty: easel.sqlite3 in DATA_DIR."
    )
    data_dir: Path = Field(Path("data"), description="Folder for the database file and spooled pictures.")

    default_model: str = Field("black-forest-labs-flux-2-klein-4b", min_length=1, description="The model of a request that names none.")
    model_prices: Prices = Field(
        {},
        description="Prices in credits that overrule the image API's, as model=credits, comma separated.",
    )
    credit_usd: float = Field(0.01, gt=0, le=1000, description="What one credit is worth in US dollars; prices in credits follow from it.")
    quota_credits: float = Field(20, gt=0, le=1_000_000, description="The size of each member's bucket, in credits.")
    quota_refill_per_day: float = Field(
        20, ge=0, le=1_000_000, description="Credits that flow back into each bucket in a day, continuously."
    )

    max_running_per_user: int = Field(2, ge=1, le=100, description="Pictures of one member that are made at the same time.")
    max_running_per_server: int = Field(6, ge=1, le=1000, description="Pictures of one server that are made at the same time.")
    max_running: int = Field(8, ge=1, le=1000, description="Pictures that are made at the same time in all.")
    max_waiting_per_user: int = Field(8, ge=1, le=1000, description="Pictures of one member that may wait in the queue.")
    max_generation_minutes: float = Field(
        30, gt=0, le=1440, description="After this time a generation the image API never ends is cancelled."
    )

    reference_mode: ReferenceMode = Field(ReferenceMode.AUTO, description="How reference pictures are passed on: auto, link or inline.")
    reference_max_mb: float = Field(10, gt=0, le=100, description="The largest reference picture, in MB.")
    reference_max_megapixels: float = Field(40, gt=0, le=500, description="The largest reference picture, in megapixels.")
    references_keep_days: float = Field(7, gt=0, le=3650, description="How long reference pictures are kept, so that Again works.")
    result_max_mb: float = Field(40, gt=0, le=500, description="The largest result that is fetched, in MB.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")
    stop_grace_s: float = Field(10, ge=0, le=600, description="Seconds that running work is given when the bot is stopped.")

    @property
    def database(self) -> str:
        """The database's address, with the default filled in."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir / 'easel.sqlite3'}"


def load(environ: Mapping[str, str] | None = None, *, env_file: Path | None = Path(".env")) -> Settings:
    """Read `.env`, then the environment over it, then check. Raise `StartError` naming every setting that is missing or wrong.

    A secret may also be given as NAME_FILE: the path of a file that holds it (as container secrets are). A name in `.env` that is
    no setting is refused with the nearest right one; the environment is full of names that are not ours and is not searched.
    """
    environ = os.environ if environ is None else environ
    from_file = _read_env_file(env_file) if env_file is not None else {}
    unknown = [name for name in from_file if name not in NAMES]
    if unknown:
        raise StartError(" ".join(_unknown(name, env_file) for name in unknown))
    given = {name: value for name, value in {**from_file, **environ}.items() if name in NAMES}
    for name in SECRET_FILES:
        if given.get(name):
            given[name.removesuffix("_FILE")] = _read_secret(name, given[name])
        given.pop(name, None)
    # An empty line in `.env` means "the default", as the example file has it.
    values = {name.lower(): value.strip() for name, value in given.items() if value.strip()}
    try:
        return Settings(**values)  # strings, which the model reads and checks
    except ValidationError as error:
        raise StartError(" ".join(_wrong(problem) for problem in error.errors(include_input=False, include_url=False))) from None


SECRETS = tuple(name.upper() for name, field in Settings.model_fields.items() if field.annotation is SecretStr)
SECRET_FILES = tuple(f"{name}_FILE" for name in SECRETS)
NAMES = frozenset(name.upper() for name in Settings.model_fields) | frozenset(SECRET_FILES)


def _read_env_file(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{path} cannot be read ({type(error).__name__}).") from error


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{name} names {path}, which cannot be read ({type(error).__name__}).") from error


def _unknown(name: str, path: Path | None) -> str:
    near = difflib.get_close_matches(name.upper(), sorted(NAMES), n=1, cutoff=0.5)
    return f"{name} in {path} is no setting" + (f"; did you mean {near[0]}?" if near else "; .env.example lists them all.")


def _wrong(problem: Any) -> str:
    """One sentence for one wrong setting, without its value: it may be a secret."""
    name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
    if problem["type"] == "missing":
        also = f" (or {name}_FILE)" if name in SECRETS else ""
        return f"{name}{also} is missing: {Settings.model_fields[name.lower()].description}"
    return f"{name} is wrong: {problem['msg'].removeprefix('Value error, ')}."
