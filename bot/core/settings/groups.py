"""Every setting, in the groups and the order in which the documents list them.

A field's environment variable is its name in capitals. Its description says what it does; a line of it that begins with two spaces is an
example, which is never wrapped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bot.core.settings.endpoints import BaseUrl, Credits, Endpoint, Endpoints, Key, OptionalUrl, OxenMode, OxenSettings, OxloSettings
from bot.core.settings.field_types import (
    DatabaseUrl,
    Hosts,
    Managers,
    ManagersMay,
    NoProxy,
    Prices,
    ProxyUrl,
    ReferenceMode,
    Routes,
    ServerIds,
    SocketUrl,
    UncertainCalls,
    WebhookUrl,
)


class _Fields(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)


class RequiredSettings(_Fields):
    discord_token: Key = Field(SecretStr(""), description="The bot's token, from the Bot page of your Discord application.")
    oxen_api_key: Key = Field(SecretStr(""), description="The API key of your Oxen.ai account. Empty: Oxen.ai is not used.")
    oxlo_api_key: Key = Field(SecretStr(""), description="The API key of your Oxlo.ai account. Empty: Oxlo.ai is not used.")


class MoneySettings(_Fields):
    monthly_limit_usd: float = Field(
        20,
        ge=0,
        le=1_000_000,
        description="The most that images may cost you in a calendar month (UTC), in US dollars, over all servers and DMs."
        " It counts what the image APIs charge, not what members pay. At the limit no more images are generated.",
    )
    monthly_limit_usd_per_server: float = Field(
        10,
        ge=0,
        le=1_000_000,
        description="The most that the images of one server may cost you in a calendar month, in US dollars."
        " The managers of a server can only lower it.",
    )
    credit_usd: float = Field(
        0.01,
        gt=0,
        le=1000,
        description="What one credit is worth in US dollars. Prices of the image APIs are converted to credits with it.",
    )
    quota_credits: float = Field(20, gt=0, le=1_000_000, description="How many credits each member can have at most.")
    quota_refill_per_day: float = Field(20, ge=0, le=1_000_000, description="How many credits each member gets per day, continuously.")
    model_prices: Prices = Field(
        {},
        description="What members pay per image in credits, whatever options they choose, as model=credits, separated by commas."
        " It overrides every other price, and counts as your own cost where the image API doesn't say what it charges.",
    )
    ledger_keep_days: float = Field(
        365,
        ge=62,
        le=36_500,
        description="Days that every movement of credits is kept. Of the months before, sums are kept, and the movements of images that are"
        " kept themselves.",
    )
    managers_may_set: Managers = Field(
        tuple(ManagersMay),
        description="What the managers of a server may set for it, separated by commas: prices, quotas (the credits of members, roles"
        " and a pool) and grants; none: nothing. This moves credits only: MONTHLY_LIMIT_USD_PER_SERVER limits what images cost you.",
    )


class LimitSettings(_Fields):
    servers: ServerIds = Field(
        "any",
        description="The ids of the servers that the bot works in, separated by commas; any: all that it is added to."
        " DMs always work, within MONTHLY_LIMIT_USD.",
    )
    max_running_per_user: int = Field(2, ge=1, le=100, description="How many images are generated at the same time for one member.")
    max_running_per_server: int = Field(6, ge=1, le=1000, description="How many images are generated at the same time for one server.")
    max_running: int = Field(8, ge=1, le=1000, description="How many images are generated at the same time in total.")
    max_waiting_per_user: int = Field(8, ge=1, le=1000, description="How many images of one member may be queued.")
    max_generation_minutes: float = Field(
        30,
        gt=0,
        le=1440,
        description="Minutes after which an image that isn't finished is cancelled. If the image API doesn't answer then,"
        " it ends a minute later.",
    )
    reference_max_mb: float = Field(10, gt=0, le=100, description="The largest reference image, in MB.")
    reference_max_megapixels: float = Field(
        40,
        gt=0,
        le=500,
        description="How many megapixels of a reference image are read at most. Larger JPEG and WebP photos are read at a smaller size.",
    )
    result_max_mb: float = Field(
        40,
        gt=0,
        le=500,
        description="The largest generated image that is taken, in MB. A link to a larger one is tried for a day, so that you can raise"
        " this; then the member is refunded. A larger one within an answer is refunded at once.",
    )


class RetentionSettings(_Fields):
    jobs_keep_days: float = Field(
        400,
        ge=92,
        le=36_500,
        description="Days that an image stays in the database after it was ordered, with its prompt, previews and all that its buttons"
        " need. Its messages stay in Discord. One that moderators have a case or a report about stays as long as these.",
    )
    thumbnails_keep_days: float = Field(
        90,
        gt=0,
        le=36_500,
        description="Days that the small previews in /history are kept; they are most of the database. Later they are fetched from Discord"
        " whenever they are shown.",
    )
    references_keep_days: float = Field(7, gt=0, le=3650, description="Days that reference images are kept, so that Again works.")
    pictures_keep_days: float = Field(
        7,
        ge=0,
        le=3650,
        description="Days that generated images are kept where the image API returned them without a link, so that /history can show"
        " them again; 0: they are not kept.",
    )
    moderation_keep_days: float = Field(
        730,
        ge=92,
        le=36_500,
        description="Days that decided cases, reports, strikes, and blocks that ended are kept. Undecided cases stay, with all that they"
        " show.",
    )
    audit_keep_days: float = Field(
        730, ge=92, le=36_500, description="Days that the log of moderators' decisions and of changed server settings is kept."
    )


class ModerationSettings(_Fields):
    moderations_url: OptionalUrl = Field(
        "",
        description="The address of an OpenAI-compatible moderations endpoint, without /moderations, such as https://api.openai.com/v1."
        " Empty: prompts and images can't be checked.",
    )
    moderations_key: Key = Field(SecretStr(""), description="The API key of the moderations endpoint, if it needs one.")
    moderations_model: str = Field(
        "", max_length=100, description="The model that the moderations endpoint uses. Empty: the endpoint's default."
    )
    moderations_timeout_s: float = Field(
        15, gt=0, le=120, description="Seconds to wait for the moderations endpoint before it counts as down."
    )


class ImageApiSettings(_Fields):
    openai_endpoints: Endpoints = Field(
        (),
        description="More image APIs that are compatible with OpenAI's, as a JSON list on one line:\n"
        '  [{"name": "local", "base_url": "http://localhost:8080/v1", "models": [{"id": "sd-xl", "sizes": ["1024x1024"]}]}]\n'
        "An entry may also have key or key_file, edit_encoding (multipart, multipart_list, json_base64 or json_data_uri), price_credits,"
        " rate_per_minute, max_running, timeout_s and params (constants that are sent with every call). A model may also have title,"
        " summary, edits (true or false), max_references, strength (true or false), price_credits, options (more parameters by name, each"
        " a JSON Schema), and prices for certain options:\n"
        '  "prices": [{"when": {"quality": "high"}, "credits": 17}, {"when": {"quality": "low"}, "credits": 2}]\n'
        "The first price that matches is used, else price_credits. An option that has no default and that a member leaves open"
        " counts as the most expensive.",
    )
    oxen_base_url: BaseUrl = Field("https://hub.oxen.ai", description="Oxen.ai's address.")
    oxen_namespace: str = Field(
        "", max_length=200, description="The Oxen.ai namespace that images are stored in and billed to. Empty: the key's user."
    )
    oxen_mode: OxenMode = Field(
        OxenMode.EVENTS,
        description="How images arrive from Oxen.ai: events (queue and event stream), poll (queue and polling) or sync (one blocking call"
        " per image).",
    )
    oxen_rate_per_minute: float = Field(
        60, gt=0, le=100_000, description="How many images are requested from Oxen.ai per minute; all of them may be requested at once."
    )
    oxen_max_running: int = Field(8, ge=1, le=1000, description="How many images Oxen.ai generates at the same time.")
    oxlo_base_url: BaseUrl = Field("https://api.oxlo.ai/v1", description="Oxlo.ai's address.")
    oxlo_price_credits: Credits = Field(
        2,
        description="What members pay for an image from Oxlo.ai, in credits. Oxlo.ai publishes no prices, and no quota would limit free"
        " images. MODEL_PRICES overrides this.",
    )
    oxlo_rate_per_minute: float = Field(
        60, gt=0, le=100_000, description="How many images are requested from Oxlo.ai per minute; all of them may be requested at once."
    )
    oxlo_max_running: int = Field(4, ge=1, le=1000, description="How many images Oxlo.ai generates at the same time.")
    default_model: str = Field(
        default_factory=lambda given: first_model(given),
        description=f"The model that is used where a member chooses none. Empty: {OxenSettings.first_model} if OXEN_API_KEY is set, else"
        f" {OxloSettings.first_model} if OXLO_API_KEY is set, else the first model in OPENAI_ENDPOINTS.",
    )
    fallback_models: Routes = Field(
        {},
        description="The model that is used while another one's image API is down, as model=other model, separated by commas."
        " Members are told. It must not cost more than the other.",
    )
    uncertain_calls: UncertainCalls = Field(
        UncertainCalls.RELEASE,
        description="What happens when an image API's response is lost and the image can't be found again: release (the member is"
        " refunded; you may be charged for an image that nobody got) or retry (the image is requested again; you may be charged twice).",
    )
    reference_mode: ReferenceMode = Field(
        ReferenceMode.AUTO,
        description="How reference images are sent to the image API, always upright and without metadata: inline (the image itself), auto"
        " (Discord's link while it is fresh, if the original has nothing to remove, else inline) or link (the same until the link"
        " expires). An image API that can't read links gets all of them inline.",
    )
    result_hosts: Hosts = Field(
        (),
        description="More hosts that generated images may be downloaded from (name, name:port, or *.name for every name below it)."
        " Each image API's own hosts and the large object stores are always allowed. An image on another host waits; the log and"
        " `python -m bot doctor` name that host.",
    )


class AdvancedSettings(_Fields):
    message_content_intent: bool = Field(
        False,
        description="true or false: whether reactions and replies also edit images that other people posted. This needs the message content"
        " intent, which you turn on at the Bot page of your Discord application.",
    )
    https_proxy: ProxyUrl = Field(
        "",
        repr=False,  # may hold a password
        description="The proxy for calls of the image APIs, the content check and OPERATOR_WEBHOOK_URL, such as"
        " http://proxy.example:3128. It is used for https addresses only, and never for the bot's connection to Discord. https_proxy in"
        " the environment is read too.",
    )
    no_proxy: NoProxy = Field(
        (),
        description="Hosts that are reached without HTTPS_PROXY, separated by commas: names with all names below them, IP addresses and"
        " networks.",
    )
    data_dir: Path = Field(Path("data"), description="The folder of the database file and of temporary image files.")
    database_url: DatabaseUrl = Field(
        SecretStr(""),
        description="The database: sqlite:///path or postgresql://user:password@host/name. Empty: easel.sqlite3 in DATA_DIR.",
    )
    database_direct_url: DatabaseUrl = Field(
        SecretStr(""),
        description="The address of the same PostgreSQL database without the pooler (PgBouncer) that DATABASE_URL names, for locks and"
        " notifications, which need a session of their own. Empty: DATABASE_URL.",
    )
    database_password: SecretStr = Field(
        SecretStr(""),
        description="The password of the user in DATABASE_URL and DATABASE_DIRECT_URL, for addresses that don't contain it. PostgreSQL"
        " only.",
    )
    backup_dir: Path | None = Field(
        None,
        description="The folder that the running bot writes backups of the database into, best on another disk. Empty: it makes none."
        " PostgreSQL needs pg_dump for it.",
    )
    backup_every_hours: float = Field(24, gt=0, le=8760, description="Hours between two backups in BACKUP_DIR.")
    backups_keep: int = Field(7, ge=1, le=9999, description="How many backups stay in BACKUP_DIR; older ones are deleted.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe messages in the log: DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["console", "json"] = Field("console", description="The form of the log: console for people, json for programs.")
    operator_dm: bool = Field(
        True,
        description="true or false: whether the owner of the Discord application (of a team: the team's owner) is told by DM what needs"
        " the bot's operator, such as a refused API key or a database that doesn't answer; each at most once an hour.",
    )
    operator_webhook_url: WebhookUrl = Field(
        SecretStr(""),
        description="Where the same is sent: the address of a Discord webhook, or any that takes JSON with `content`. Empty: nowhere.",
    )
    metrics_port: int = Field(
        0, ge=0, le=65535, description="The port of the page with /metrics for Prometheus, /healthz and /readyz; 0: no page."
    )
    metrics_host: str = Field(
        "127.0.0.1",
        min_length=1,
        max_length=255,
        description="The address that serves this page. The default can be reached from this machine only.",
    )
    stop_grace_s: float = Field(10, ge=0, le=600, description="Seconds that running work has to finish when the bot is stopped.")
    shards: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="How many connections to Discord's gateway the servers are divided among, over all processes. Empty: as many as Discord"
        " recommends, which is one below 1,000 servers.",
    )
    discord_api_url: BaseUrl = Field("https://discord.com/api/v10", description="The address of Discord's HTTP API.")
    discord_gateway_url: SocketUrl = Field("wss://gateway.discord.gg/", description="The address of Discord's gateway.")
    discord_cdn_hosts: Hosts = Field(
        ("cdn.discordapp.com", "media.discordapp.net", "images-ext-1.discordapp.net", "images-ext-2.discordapp.net"),
        description="The hosts of Discord that images in messages may be downloaded from; the first has the stickers.",
    )


@dataclass(frozen=True, kw_only=True)
class SettingsGroup:
    """Settings that belong together, as a section of the documents."""

    title: str
    about: str
    fields: type[BaseModel]


GROUPS: Final = (
    SettingsGroup(
        title="Required",
        about="The bot's token, and the key of at least one image API: one of these two, or OPENAI_ENDPOINTS under Image APIs.",
        fields=RequiredSettings,
    ),
    SettingsGroup(title="Money", about="What images may cost you, and the credits that members pay with.", fields=MoneySettings),
    SettingsGroup(
        title="Limits", about="Where the bot works, how much it does at once, and how large images may be.", fields=LimitSettings
    ),
    SettingsGroup(title="Retention", about="How long things are kept. The operators' handbook lists the rest.", fields=RetentionSettings),
    SettingsGroup(
        title="Moderation",
        about="A service that checks prompts and images. The managers of each server decide whether it is used there.",
        fields=ModerationSettings,
    ),
    SettingsGroup(
        title="Image APIs", about="All image APIs that are set are used, and their models are one list.", fields=ImageApiSettings
    ),
    SettingsGroup(
        title="Advanced", about="Storage, logs, metrics and Discord's addresses. The defaults suit most.", fields=AdvancedSettings
    ),
)


def enabled_apis(given: Mapping[str, Any]) -> tuple[OxenSettings | Endpoint, ...]:
    """The image APIs that these values of fields enable, in a stable order."""
    oxen = {name: given[f"oxen_{name}"] for name in ("base_url", "namespace", "mode", "rate_per_minute", "max_running")}
    oxlo = {name: given[f"oxlo_{name}"] for name in ("base_url", "price_credits", "rate_per_minute", "max_running")}
    return (
        *([OxenSettings(**oxen, key=given["oxen_api_key"])] if given["oxen_api_key"] else []),
        *([OxloSettings(**oxlo, key=given["oxlo_api_key"])] if given["oxlo_api_key"] else []),
        *given["openai_endpoints"],
    )


def first_model(given: Mapping[str, Any]) -> str:
    """The default model: the first image API's, or none without an image API."""
    return next((api.first_model for api in enabled_apis(given)), "")
