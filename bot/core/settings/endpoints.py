"""Settings of the image APIs, one class for each kind of API. Validation errors never contain keys."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from bot.core.settings.values import Expected

RESERVED_NAMES: Final = frozenset({"oxen", "oxlo"})  # these have their own settings
_API_LABELS: Final = frozenset({"api", "hub", "www"})  # in front of a domain; the rest of such a name belongs to the same operator
# Where presigned links to objects in the large public stores point. Not whole domains such as amazonaws.com, where anybody can have a host.
# Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html, https://cloud.google.com/storage/docs/request-endpoints,
# https://developers.cloudflare.com/r2/api/s3/presigned-urls/, https://learn.microsoft.com/azure/storage/common/storage-account-overview
OBJECT_STORES: Final = (
    "*.s3.amazonaws.com",
    "s3.*.amazonaws.com",
    "*.s3.*.amazonaws.com",
    "*.s3-accelerate.amazonaws.com",
    "*.cloudfront.net",
    "storage.googleapis.com",
    "*.storage.googleapis.com",
    "*.r2.cloudflarestorage.com",
    "*.blob.core.windows.net",
)
_OWN_PARAMS: Final = frozenset({"model", "prompt", "n", "image", "image[]", "mask"})
_SIZE: Final = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")


class OxenMode(StrEnum):
    EVENTS = "events"  # queue and event stream; polls while the stream is down
    POLL = "poll"  # queue and adaptive polling
    SYNC = "sync"  # one blocking call per image


class EditEncoding(StrEnum):
    """How the images of an edit are sent to an endpoint."""

    JSON_BASE64 = "json_base64"  # JSON, the image as bare base64 (Oxlo)
    JSON_DATA_URI = "json_data_uri"  # JSON, the image as a data URI
    MULTIPART = "multipart"  # a form with files, as OpenAI's own SDK sends it: `image` for one image, `image[]` for several
    MULTIPART_LIST = "multipart_list"  # the same with `image[]` for one image too (stable-diffusion.cpp's server)


_ADDRESS = Expected(phrase="an address that starts with https:// (or http:// on your own machine)")
_KEY = Expected(phrase="one line of plain characters")
_LIST = Expected(phrase="a JSON list of objects")
_OPTIONS = Expected(phrase="an object with a JSON Schema for each option")
_SIZES = Expected(phrase="a list of sizes such as 1024x1024 in pixels, or auto")
_WHEN = Expected(phrase='an object with values of options, such as {"quality": "high"}')
_NAME = Expected(phrase="small letters, digits, - and _, at most 32 characters")


def _base_url(value: str) -> str:
    if not re.match(r"^https?://[^/\s]+", value):
        raise ValueError(f"must be {_ADDRESS.phrase}")
    return value.rstrip("/")


def _key(value: SecretStr) -> SecretStr:
    if not (value.get_secret_value().isascii() and value.get_secret_value().isprintable()):  # it is sent in a header
        raise ValueError(f"must be {_KEY.phrase}")
    return value


def _sizes(value: tuple[str, ...]) -> tuple[str, ...]:
    sizes = tuple(size.strip().lower() for size in value)
    for size in sizes:
        if size != "auto" and not _SIZE.fullmatch(size):
            raise ValueError(f"must be {_SIZES.phrase}")
    return sizes


def _params(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if own := sorted(_OWN_PARAMS & set(value)):
        raise ValueError(f"can't include {own[0]}, which Easel sets itself")
    return value


Key = Annotated[SecretStr, AfterValidator(_key), _KEY]  # empty: none
BaseUrl = Annotated[str, AfterValidator(_base_url), _ADDRESS]
OptionalUrl = Annotated[str, AfterValidator(lambda value: _base_url(value) if value else ""), _ADDRESS]
Credits = Annotated[float, Field(ge=0, le=1_000_000)]


class OptionPrice(BaseModel):
    """A model's price for certain option values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    when: Annotated[Mapping[str, str | int | float | bool], _WHEN] = Field(min_length=1)  # option name to value; all must match
    credits: Credits  # per image


class EndpointModel(BaseModel):
    """A model of an endpoint that publishes no schemas."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=100)  # the endpoint's id for it
    title: str = Field("", max_length=100)  # empty: the id
    summary: str = Field("", max_length=500)
    sizes: Annotated[tuple[str, ...], AfterValidator(_sizes), _SIZES] = ()  # the first is the default; empty: the endpoint decides
    edits: bool = False  # accepts an image to change
    max_references: int = Field(1, ge=1, le=16)  # images per edit; more than one are sent as a list
    masks: bool = False  # accepts a mask in edits, as OpenAI does: the bot's masks are converted
    strength: bool = False  # accepts `strength` in edits: 0 keeps the image, 1 replaces it
    price_credits: Credits | None = None  # per image; None: the endpoint's price
    options: Annotated[Mapping[str, Mapping[str, Any]], _OPTIONS] = Field(
        default_factory=dict
    )  # more parameters by name, each a JSON Schema
    prices: tuple[OptionPrice, ...] = ()  # the first that matches is used, else `price_credits`; an option left open counts as the dearest

    @model_validator(mode="after")
    def _prices_name_options(self) -> Self:
        for name in sorted({name for price in self.prices for name in price.when}):
            if name not in self.options and not (name == "size" and self.sizes):
                raise ValueError(f"has a price for {name}, which isn't one of the model's options")
        return self


class ProviderSettings(BaseModel):
    """What every image API has: a name, an address, a key and limits."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]  # key of `bot.providers.factory.BUILDERS`

    name: Annotated[str, _NAME] = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    base_url: BaseUrl  # what comes before every path
    key: Key = SecretStr("")  # empty: no key is sent
    rate_per_minute: float = Field(60, gt=0, le=100_000)  # requests
    max_running: int = Field(2, ge=1, le=1000)  # images made at the same time

    @property
    def title(self) -> str:
        """The name shown to people."""
        return self.name

    @property
    def key_setting(self) -> str:
        """The name of the setting that contains the key, for messages to the operator."""
        return f"the key of {self.name}"

    @property
    def address_setting(self) -> str:
        """The name of the setting that contains the address, for messages to the operator."""
        return f"base_url of {self.name}"

    @property
    def result_hosts(self) -> tuple[str, ...]:
        """Hosts that results may be fetched from besides the address itself: those of its domain, and the large object stores.

        Presigned links to these are what hosted image APIs return. They expire, so holding them back would lose paid images. RESULT_HOSTS
        adds others.
        """
        host = (urlsplit(self.base_url).hostname or "").lower()
        first, _, rest = host.partition(".")
        domain = rest if first in _API_LABELS and "." in rest else host
        is_name = "." in domain and ":" not in domain and not domain.rpartition(".")[2].isdigit()
        return (domain, f"*.{domain}", *OBJECT_STORES) if is_name else OBJECT_STORES


class OxenSettings(ProviderSettings):
    kind: ClassVar[str] = "oxen"

    name: str = "oxen"
    namespace: str = ""  # empty: the user of the key
    mode: OxenMode = OxenMode.EVENTS

    title: ClassVar[str] = "Oxen.ai"
    key_setting: ClassVar[str] = "OXEN_API_KEY"
    address_setting: ClassVar[str] = "OXEN_BASE_URL"
    first_model: ClassVar[str] = "black-forest-labs-flux-2-klein-4b"


class Endpoint(ProviderSettings):
    """An OpenAI-compatible image API."""

    kind: ClassVar[str] = "openai"

    edit_encoding: EditEncoding = EditEncoding.MULTIPART
    models: tuple[EndpointModel, ...] = ()  # empty: those in `known_models.json` under the endpoint's name
    price_credits: Credits | None = None  # per image, for models without a price; None: such models are not for sale
    params: Annotated[Mapping[str, Any], AfterValidator(_params)] = Field(default_factory=dict)  # sent with every call
    timeout_s: float = Field(180, gt=0, le=3600)  # time without a byte of a response, after which the response counts as lost

    @property
    def first_model(self) -> str:
        """The default model if this is the first image API."""
        return self.models[0].id

    @property
    def key_setting(self) -> str:
        return f"{super().key_setting} in OPENAI_ENDPOINTS"

    @property
    def address_setting(self) -> str:
        return f"{super().address_setting} in OPENAI_ENDPOINTS"


class OxloSettings(Endpoint):
    """Oxlo.ai. Its models are described in `known_models.json`."""

    name: str = "oxlo"
    edit_encoding: EditEncoding = EditEncoding.JSON_BASE64

    title: ClassVar[str] = "Oxlo.ai"
    key_setting: ClassVar[str] = "OXLO_API_KEY"
    address_setting: ClassVar[str] = "OXLO_BASE_URL"
    first_model: ClassVar[str] = "stable-diffusion-1.5"  # in the Free tier, so every key can use it


def _read(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"must be {_LIST.phrase}{where}") from None
    except RecursionError:
        raise ValueError(f"must be {_LIST.phrase} with less nesting") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError(f"must be {_LIST.phrase}")
    return tuple(_with_key(each) for each in listed)


def _with_key(given: dict[str, Any]) -> dict[str, Any]:
    """Replace `key_file` by the key that the file contains."""
    rest = {name: value for name, value in given.items() if name != "key_file"}
    path = given.get("key_file")
    if path is None:
        return rest
    if not isinstance(path, str) or "key" in given:
        raise ValueError("must have key or key_file (the path of a file) in an entry, not both")
    try:
        key = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise ValueError(f"has a key_file that can't be read ({error.strerror})") from None
    except ValueError:
        raise ValueError("has a key_file that isn't text") from None
    if not key:
        raise ValueError("has a key_file that is empty")
    return {**rest, "key": key}


def _checked(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    names = [endpoint.name for endpoint in endpoints]
    for endpoint in endpoints:
        if endpoint.name in RESERVED_NAMES or names.count(endpoint.name) > 1:
            raise ValueError(f"must give each entry a name of its own; {endpoint.name} is already taken")
        ids = [model.id for model in endpoint.models]
        if not ids or len(set(ids)) < len(ids):
            raise ValueError(f"must list the models of {endpoint.name}, each id once")
    return endpoints


Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_read), AfterValidator(_checked), _LIST]
