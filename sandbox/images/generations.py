"""One generation at Oxen: its request, its state, and its row on the wire."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sandbox.images.prices import cost_usd
from sandbox.painter import extension_of

if TYPE_CHECKING:
    from sandbox.images.account import ApiAccount
    from sandbox.images.catalog import OxenModel


class OxenStatus(StrEnum):
    """The documented states."""

    QUEUED = "queued"  # accepted, not begun
    PROCESSING = "processing"  # in progress
    SUCCEEDED = "succeeded"  # the image can be fetched
    FAILED = "failed"  # there will be no image; error_message says why
    CANCELLED = "cancelled"  # stopped, by the client or by the provider


ACTIVE = frozenset({OxenStatus.QUEUED, OxenStatus.PROCESSING})

# Fields of a request that belong to the API. All others are parameters of the model.
ENVELOPE = frozenset({"model", "prompt", "num_generations", "target_namespace", "target_repo", "target_directory", "response_format"})


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """A client's request for a generation."""

    account: ApiAccount
    model: OxenModel
    body: dict[str, Any]  # the JSON body, unchanged

    @property
    def prompt(self) -> Any:
        """As submitted. It may be missing or not a text; only the model checks that."""
        return self.body.get("prompt")

    @property
    def namespace(self) -> str:
        return str(self.body.get("target_namespace") or self.account.namespace)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the model gets in addition to the prompt."""
        return {name: value for name, value in self.body.items() if name not in ENVELOPE}

    @property
    def reference_link(self) -> str | None:
        """The first reference image that is a link."""
        given = self.parameters.get("input_image")
        texts = given if isinstance(given, list) else [given]
        return next((each for each in texts if isinstance(each, str) and not each.startswith("data:")), None)

    @property
    def cost_usd(self) -> Decimal:
        """The charge for one generation, in US dollars."""
        return cost_usd(self.model, self.prompt, self.parameters)


@dataclass(kw_only=True, eq=False)
class OxenGeneration:
    """The state of a generation. Times are Unix seconds, or milliseconds where their names say so."""

    request: GenerationRequest
    seed: int  # submitted, or random
    in_queue: bool  # False for a synchronous call, which is neither listed in the queue nor announced on the event stream
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: OxenStatus = OxenStatus.QUEUED
    error: str | None = None
    enqueued_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    started_at: int | None = None
    completed_at: int | None = None
    completed_ms: int | None = None
    is_charged: bool = False  # known once it has ended
    charges: int = 1  # how often its cost is charged, if it is
    added_words: str = ""  # after the prompt in its row
    first_link_is_stale: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def enqueued_at(self) -> int:
        return self.enqueued_ms // 1000

    @property
    def media_type(self) -> str:
        return self.request.model.media_type or "image"

    @property
    def file_name(self) -> str:
        """The file name in links to its result."""
        output_format = self.request.parameters.get("output_format") or self.request.model.default("output_format")
        return f"{self.id}.{extension_of(output_format)}"

    @cached_property
    def size_bytes(self) -> int:
        """Approximate size in memory, mostly of inline references."""
        return 2_000 + sum(len(str(value)) for value in self.request.body.values())

    def begin(self) -> None:
        self.status, self.started_at = OxenStatus.PROCESSING, int(time.time())

    def end(self, status: OxenStatus, error: str | None = None) -> None:
        now = time.time()
        self.status, self.error, self.completed_at, self.completed_ms = status, error, int(now), int(now * 1000)
        self.ended.set()

    @property
    def charged_usd(self) -> Decimal | None:
        """What was charged; None until it is."""
        return self.request.cost_usd * self.charges if self.is_charged else None

    def row(self, result_url: str | None) -> dict[str, Any]:
        """The row as it is sent: the submitted parameters and the API's own fields."""
        return {
            **self.request.parameters,
            "generation_id": self.id,
            "model_name": self.request.model.id,
            "prompt": f"{self.request.prompt}{self.added_words}" if self.added_words else self.request.prompt,
            "media_type": self.media_type,
            "status": self.status,
            "result_url": result_url,
            "error_message": self.error,
            "enqueued_at": self.enqueued_at,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "target_namespace": self.request.namespace,
            "target_repo": self.request.body.get("target_repo"),
            "target_directory": self.request.body.get("target_directory"),
        }
