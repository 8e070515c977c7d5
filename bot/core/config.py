"""Settings, read once from the environment and `.env`, validated and frozen. The only module that reads the environment."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bot.core.endpoints import BaseUrl, Credits, Endpoint, Endpoints, OptionalUrl, OxenMode, OxenSettings, OxloSettings
from bot.core.errors import StartError
from bot.core.settings.field_types import (
    DatabaseUrl,
    Hosts,
    Managers,
    ManagersMay,
    Prices,
    ReferenceMode,
    Routes,
    ServerIds,
    SocketUrl,
    UncertainCalls,
)


def _providers(given: Mapping[str, Any]) -> tuple[OxenSettings | Endpoint, ...]:
    """The image APIs that these values enable."""
    oxen = {name: given[f"oxen_{name}"] for name in ("base_url", "namespace", "mode", "rate_per_minute", "max_running")}
    oxlo = {name: given[f"oxlo_{name}"] for name in ("base_url", "price_credits", "rate_per_minute", "max_running")}
    return (
        *([OxenSettings(**oxen, key=given["oxen_api_key"])] if given["oxen_api_key"] else []),
        *([OxloSettings(**oxlo, key=given["oxlo_api_key"])] if given["oxlo_api_key"] else []),
        *given["openai_endpoints"],
    )


def _first_model(given: Mapping[str, Any]) -> str:
    """The default model: the first image API's `first_model`."""
    return _providers(given)[0].first_model


class Settings(BaseModel):
    """All settings. A field's environment variable is its name in capitals; its description is printed in `.env.example`."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    discord_token: SecretStr = Field(min_length=1, description="The bot's token, from the Bot page of your Discord application. Required.")
    discord_api_url: BaseUrl = Field("https://discord.com/api/v10", description="Discord's HTTP API.")
    discord_gateway_url: SocketUrl = Field("wss://gateway.discord.gg/", description="Discord's gateway.")
    discord_cdn_hosts: Hosts = Field(
        ("cdn.discordapp.com", "media.discordapp.net"), description="Hosts that attachments may be fetched from (name or name:port)."
    )
    message_content_intent: bool = Field(
        False,
        description="true or false: whether reactions also edit images that other people posted. This needs the message content intent,"
        " which you turn on at the Bot page of your application.",
    )

    oxen_api_key: SecretStr = Field(
        SecretStr(""), description="The API key of your Oxen.ai account; empty: Oxen.ai is not used. At least one image API is required."
    )
    oxen_base_url: BaseUrl = Field("https://hub.oxen.ai", description="Oxen.ai's address.")
    oxen_namespace: str = Field(
        "", max_length=200, description="Oxen.ai namespace that results are stored in and billed to; empty: the user of the key."
    )
    oxen_mode: OxenMode = Field(
        OxenMode.EVENTS,
        description="How Easel gets results from Oxen.ai: events (queue and event stream), poll (queue and polling) or sync (one blocking"
        " call per image).",
    )
    oxen_rate_per_minute: float = Field(
        60,
        gt=0,
        le=100_000,
        description="Images requested from Oxen.ai per minute; this is also the largest burst.",
    )
    oxen_max_running: int = Field(8, ge=1, le=1000, description="Images that Oxen.ai makes at the same time.")

    oxlo_api_key: SecretStr = Field(SecretStr(""), description="The API key of your Oxlo.ai account; empty: Oxlo.ai is not used.")
    oxlo_base_url: BaseUrl = Field("https://api.oxlo.ai/v1", description="Oxlo.ai's address.")
    oxlo_price_credits: Credits = Field(
        2,
        description="What members pay for an image from Oxlo.ai, in credits. Oxlo.ai publishes no prices, and a free image would not be"
        " limited by any quota. MODEL_PRICES overrides this.",
    )
    oxlo_rate_per_minute: float = Field(
        60,
        gt=0,
        le=100_000,
        description="Images requested from Oxlo.ai per minute; this is also the largest burst.",
    )
    oxlo_max_running: int = Field(4, ge=1, le=1000, description="Images that Oxlo.ai makes at the same time.")

    openai_endpoints: Endpoints = Field(
        (),
        description="More OpenAI-compatible image APIs, as a JSON list on one line, such as "
        '[{"name": "local", "base_url": "http://localhost:8080/v1", "models": [{"id": "sd-xl", "sizes": ["1024x1024"], "edits": true}]}].'
        " An endpoint may also have key or key_file, edit_encoding (multipart, multipart_list, json_base64, json_data_uri), price_credits,"
        " rate_per_minute, max_running and timeout_s; a model may also have title, summary, max_references, strength,"
        " price_credits, options (more parameters by name, each a JSON Schema) and prices: what it costs with certain options, such as"
        ' [{"when": {"quality": "high", "size": "1024x1536"}, "credits": 25}, {"when": {"quality": "high"}, "credits": 17}]. The first that'
        " matches is used, else price_credits; an option without a default that a member leaves open counts as the dearest.",
    )
    uncertain_calls: UncertainCalls = Field(
        UncertainCalls.RELEASE,
        description="What happens when an image API's response is lost and the image cannot be looked up: release (the member is told and"
        " gets the credits back; the provider may still charge you) or retry (the request is sent again; you may pay twice).",
    )
    fallback_models: Routes = Field(
        {},
        description="The model that is used while another model's provider is down, as model=other, separated by commas; members are told."
        " It must not cost more than the other.",
    )
    result_hosts: Hosts = Field(
        (),
        description="More hosts that results may be fetched from (name, name:port, or *.name for all names below it). Each image API's own"
        " hosts are always allowed, and the large object stores that presigned links point to. A result on another host waits, and"
        " the log and `python -m bot doctor` name its host.",
    )

    moderations_url: OptionalUrl = Field(
        "",
        description="The base URL of an OpenAI-compatible moderations endpoint, without /moderations, such as https://api.openai.com/v1."
        " Each server's managers decide whether prompts and images are checked there; empty: checks are not available.",
    )
    moderations_key: SecretStr = Field(SecretStr(""), description="The API key of the moderations endpoint, if it needs one.")
    moderations_model: str = Field(
        "", max_length=100, description="The model that the moderations endpoint uses; empty: the endpoint's default."
    )
    moderations_timeout_s: float = Field(
        15, gt=0, le=120, description="Seconds to wait for the moderations endpoint before it counts as down."
    )

    database_url: DatabaseUrl = Field(
        SecretStr(""), description="sqlite:///path or postgresql://user:password@host/name; empty: easel.sqlite3 in DATA_DIR."
    )
    data_dir: Path = Field(Path("data"), description="Folder for the database file and temporary image files.")

    default_model: str = Field(
        default_factory=_first_model,
        min_length=1,
        description=f"The model of requests that name none; empty: {OxenSettings.first_model} if OXEN_API_KEY is set, else"
        f" {OxloSettings.first_model} if OXLO_API_KEY is set, else the first model in OPENAI_ENDPOINTS.",
    )
    model_prices: Prices = Field(
        {},
        description="What members pay per image in credits, whatever options they choose, as model=credits, separated by commas. This"
        " overrides every other price, and is taken as your own cost where the image API does not say what it charges.",
    )
    credit_usd: float = Field(
        0.01, gt=0, le=1000, description="What one credit is worth in US dollars; provider prices are converted to credits with it."
    )
    monthly_limit_usd: float = Field(
        20,
        ge=0,
        le=1_000_000,
        description="The most that images may cost you in a calendar month (UTC), in US dollars, over all servers and direct messages."
        " It counts what the image APIs charge, not what members pay; nothing is made beyond it.",
    )
    monthly_limit_usd_per_server: float = Field(
        10,
        ge=0,
        le=1_000_000,
        description="The most that the images of one server may cost you in a calendar month, in US dollars. A server's managers can only"
        " lower it for their server.",
    )
    servers: ServerIds = Field(
        "any",
        description="The ids of the servers that the bot works in, separated by commas; any: all that it is added to. Direct messages stay"
        " open, within MONTHLY_LIMIT_USD.",
    )
    managers_may_set: Managers = Field(
        tuple(ManagersMay),
        description="What the managers of a server may set for it: prices, quotas (the credits of members, roles and a pool) and grants,"
        " separated by commas; none: nothing. It moves credits only: what images cost you is limited by MONTHLY_LIMIT_USD_PER_SERVER.",
    )
    quota_credits: float = Field(20, gt=0, le=1_000_000, description="The size of each member's bucket, in credits.")
    quota_refill_per_day: float = Field(
        20, ge=0, le=1_000_000, description="Credits that each member's bucket regains per day, continuously."
    )

    max_running_per_user: int = Field(2, ge=1, le=100, description="Images made at the same time for one member.")
    max_running_per_server: int = Field(6, ge=1, le=1000, description="Images made at the same time for one server.")
    max_running: int = Field(8, ge=1, le=1000, description="Images made at the same time in total.")
    max_waiting_per_user: int = Field(8, ge=1, le=1000, description="Images of one member that may wait in the queue.")
    max_generation_minutes: float = Field(
        30, gt=0, le=1440, description="Minutes after which a generation that has not finished is cancelled."
    )

    reference_mode: ReferenceMode = Field(
        ReferenceMode.AUTO,
        description="How reference images are sent to the image API: link (Discord's link), inline (the image itself, without metadata) or"
        " auto (the link where that works, else inline).",
    )
    reference_max_mb: float = Field(10, gt=0, le=100, description="The largest reference image, in MB.")
    reference_max_megapixels: float = Field(40, gt=0, le=500, description="The largest reference image, in megapixels.")
    references_keep_days: float = Field(7, gt=0, le=3650, description="Days that reference images are kept, so that Again works.")
    pictures_keep_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="Days that images which an image API returned inline are kept after delivery, so that /history can show them again;"
        " 0: they are not kept.",
    )
    result_max_mb: float = Field(40, gt=0, le=500, description="The largest result image that is fetched, in MB.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["console", "json"] = Field("console", description="console for people, json for machines.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of the Prometheus metrics page; 0: no page.")
    metrics_host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="Address that the metrics page listens on; the default is only reachable from this machine.",
    )
    stop_grace_s: float = Field(10, ge=0, le=600, description="Seconds that running work has to finish when the bot is stopped.")

    @property
    def database(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir / 'easel.sqlite3'}"

    @property
    def providers(self) -> tuple[OxenSettings | Endpoint, ...]:
        """Every enabled image API, in a stable order: the names of models depend on it."""
        return _providers(dict(self))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, so that it can be kept out of logs."""
        own = [value for _, value in self if isinstance(value, SecretStr)]
        return tuple(dict.fromkeys(secret.get_secret_value() for secret in (*own, *(each.key for each in self.providers)) if secret))

    @field_validator("openai_endpoints", mode="after")
    @classmethod
    def _require_an_image_api(cls, value: tuple[Endpoint, ...], info: ValidationInfo) -> tuple[Endpoint, ...]:
        if not value and not any(info.data.get(name, True) for name in ("oxen_api_key", "oxlo_api_key")):
            raise PydanticCustomError("no_image_api", "OXEN_API_KEY, OXLO_API_KEY or OPENAI_ENDPOINTS is missing")
        return value


def load(environ: Mapping[str, str] | None = None, *, env_file: Path | None = Path(".env")) -> Settings:
    """Read `.env`, override it by the environment, validate. Raises `StartError` naming every missing or wrong setting.

    A secret may also be given as NAME_FILE, the path of a file that contains it (container secrets). An unknown name in `.env` is
    refused with the nearest known one; unknown names in the environment are ignored.
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
    # An empty value means the default, as in the example file.
    values = {name.lower(): value.strip() for name, value in given.items() if value.strip()}
    try:
        return Settings(**values)  # strings; the model parses them
    except ValidationError as error:
        problems = [each for each in error.errors(include_input=False, include_url=False) if each["type"] != "default_factory_not_called"]
        raise StartError(" ".join(map(_wrong, problems))) from None


SECRETS = (*(name.upper() for name, field in Settings.model_fields.items() if field.annotation is SecretStr), "OPENAI_ENDPOINTS")
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
        raise StartError(f"{name} points to {path}, which cannot be read ({type(error).__name__}).") from error


def _unknown(name: str, path: Path | None) -> str:
    near = difflib.get_close_matches(name.upper(), sorted(NAMES), n=1, cutoff=0.5)
    return f"{name} in {path} is not a setting" + (f"; did you mean {near[0]}?" if near else "; .env.example lists them all.")


def _wrong(problem: Any) -> str:
    """One sentence about one wrong setting. The value is left out: it may be a secret."""
    if problem["type"] == "no_image_api":
        return f"{problem['msg']}: the key of at least one image API is needed (a key may also be in a file, named by NAME_FILE)."
    name, *inner = (part + 1 if isinstance(part, int) else part for part in problem["loc"] or ("settings",))  # list items from 1
    name = str(name).upper()
    if problem["type"] == "missing" and not inner:
        also = f" (or {name}_FILE)" if name in SECRETS else ""
        return f"{name}{also} is missing: {Settings.model_fields[name.lower()].description}"
    where = f"{', '.join(map(str, inner))}: " if inner else ""
    return f"{name} is wrong: {where}{problem['msg'].removeprefix('Value error, ')}."
