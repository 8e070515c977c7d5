"""Image APIs as the settings describe them: one class of values for each kind. Keys stay secret in every refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

RESERVED_NAMES: Final = frozenset({"oxen", "oxlo"})  # they have settings of their own
_SIZE: Final = re.compile(r"[1-9][0-9]{1,4}x[1-9][0-9]{1,4}")


class OxenMode(StrEnum):
    EVENTS = "events"  # queue and event stream; polls while the stream cannot be had
    POLL = "poll"  # queue and adaptive polling
    SYNC = "sync"  # one blocking call an image


class EditEncoding(StrEnum):
    """How an endpoint wants the images of an edit."""

    JSON_BASE64 = "json_base64"  # JSON, the image as bare base64 (Oxlo)
    JSON_DATA_URI = "json_data_uri"  # JSON, the image as a data URI
    MULTIPART = "multipart"  # a form with files, as OpenAI's own SDK sends it: `image` for one image, `image[]` for several
    MULTIPART_LIST = "multipart_list"  # the same with `image[]` for one image too (stable-diffusion.cpp's server)


def _base_url(value: str) -> str:
    if not re.match(r"^https?://[^/\s]+", value):
        raise ValueError("an address starting with https:// (or http:// on your own machine) is needed")
    return value.rstrip("/")


def _sizes(value: tuple[str, ...]) -> tuple[str, ...]:
    sizes = tuple(size.strip().lower() for size in value)
    for size in sizes:
        if size != "auto" and not _SIZE.fullmatch(size):
            raise ValueError("sizes are written WIDTHxHEIGHT in pixels, or auto")
    return sizes


BaseUrl = Annotated[str, AfterValidator(_base_url)]
OptionalUrl = Annotated[str, AfterValidator(lambda value: _base_url(value) if value else "")]
Credits = Annotated[float, Field(ge=0, le=1_000_000)]


class EndpointModel(BaseModel):
    """One model of an endpoint that publishes no schemas."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    id: str = Field(min_length=1, max_length=100)  # as the endpoint calls it
    title: str = Field("", max_length=100)  # empty: the id
    summary: str = Field("", max_length=500)
    sizes: Annotated[tuple[str, ...], AfterValidator(_sizes)] = ()  # the first is the usual one; none: the endpoint decides
    edits: bool = False  # takes an image to change
    max_references: int = Field(1, ge=1, le=16)  # images of one edit; more than one are sent as a list
    strength: bool = False  # takes `strength` in edits: 0 keeps the image, 1 makes it anew
    price_credits: Credits | None = None  # for one image; None: the endpoint's
    options: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)  # further parameters by name, each a JSON Schema


class ProviderSettings(BaseModel):
    """One image API of any kind: what it is called, where it is, and how much it may be asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    kind: ClassVar[str]  # which client speaks to it

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    base_url: BaseUrl  # what comes before every path
    key: SecretStr = SecretStr("")  # empty: no key is sent
    rate_per_minute: float = Field(60, gt=0, le=100_000)  # requests
    max_running: int = Field(2, ge=1, le=1000)  # images in the making at the same time

    @property
    def title(self) -> str:
        """For people: by default what its operator calls it."""
        return self.name

    @property
    def key_setting(self) -> str:
        """What the settings call its key."""
        return f"the key of {self.name}"

    @property
    def address_setting(self) -> str:
        """What the settings call its address."""
        return f"base_url of {self.name}"


class OxenSettings(ProviderSettings):
    """Oxen.ai."""

    kind: ClassVar[str] = "oxen"

    name: str = "oxen"
    namespace: str = ""  # empty: the key's own user
    mode: OxenMode = OxenMode.EVENTS

    title: ClassVar[str] = "Oxen.ai"
    key_setting: ClassVar[str] = "OXEN_API_KEY"
    address_setting: ClassVar[str] = "OXEN_BASE_URL"
    first_model: ClassVar[str] = "black-forest-labs-flux-2-klein-4b"


class Endpoint(ProviderSettings):
    """One OpenAI-compatible image API."""

    kind: ClassVar[str] = "openai"

    edit_encoding: EditEncoding = EditEncoding.MULTIPART
    models: tuple[EndpointModel, ...] = ()  # none: those that Easel knows by the endpoint's name
    price_credits: Credits | None = None  # for one image of a model without a price of its own; None: it is not sold
    timeout_s: float = Field(180, gt=0, le=3600)  # without a sign of an answer; after that it counts as lost

    @property
    def first_model(self) -> str:
        """The model of a request that names none, where no other image API comes before."""
        return self.models[0].id

    @property
    def key_setting(self) -> str:
        return f"{super().key_setting} in OPENAI_ENDPOINTS"

    @property
    def address_setting(self) -> str:
        return f"{super().address_setting} in OPENAI_ENDPOINTS"


class OxloSettings(Endpoint):
    """Oxlo.ai, whose models this bot knows."""

    name: str = "oxlo"
    edit_encoding: EditEncoding = EditEncoding.JSON_BASE64

    title: ClassVar[str] = "Oxlo.ai"
    key_setting: ClassVar[str] = "OXLO_API_KEY"
    address_setting: ClassVar[str] = "OXLO_BASE_URL"
    first_model: ClassVar[str] = "stable-diffusion-1.5"  # the one of the Free tier: any key opens it


def _read(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        listed = json.loads(value)
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"a JSON list of objects is needed{where}") from None
    except RecursionError:
        raise ValueError("a JSON list of objects is needed, not so deep") from None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("a JSON list of objects is needed")
    return tuple(_with_key(each) for each in listed)


def _with_key(given: dict[str, Any]) -> dict[str, Any]:
    """The key from its file, where `key_file` names one."""
    rest = {name: value for name, value in given.items() if name != "key_file"}
    path = given.get("key_file")
    if path is None:
        return rest
    if not isinstance(path, str) or "key" in given:
        raise ValueError("key_file is the path of a file, instead of key")
    try:
        return {**rest, "key": Path(path).read_text("utf-8").strip()}
    except (OSError, ValueError) as error:
        raise ValueError(f"key_file cannot be read ({type(error).__name__})") from None


def _checked(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    names = [endpoint.name for endpoint in endpoints]
    for endpoint in endpoints:
        if endpoint.name in RESERVED_NAMES or names.count(endpoint.name) > 1:
            raise ValueError(f"{endpoint.name} is taken; each endpoint needs a name of its own")
        ids = [model.id for model in endpoint.models]
        if not ids or len(set(ids)) < len(ids):
            raise ValueError(f"{endpoint.name} needs its models listed, each id once")
    return endpoints


Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_read), AfterValidator(_checked)]
