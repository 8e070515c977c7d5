"""The ledger of the OpenAI-compatible API: every image call, and what was paid."""

from __future__ import annotations

import itertools
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.images.openai.bodies import RequestBody

KEPT_CALLS = 2_000
KEPT_TEXT_CHARS = 4_000


@dataclass(kw_only=True, eq=False)
class OpenAICall:
    """One call. A provider without a queue has no row that a client could read; this one is for tests and the demo."""

    number: int  # 1 is the first
    kind: str  # generations or edits
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    began_ms: int = field(default_factory=lambda: int(time.time() * 1000))
    paid_ms: int | None = None  # Unix ms: its images were made
    key: str | None = None  # None if it was refused
    body: RequestBody | None = None
    used_seed: int | None = None  # of the first image: submitted, or random
    status: int | None = None  # of the answer, even if it was cut; None until the answer starts, and if there was none
    paid: int = 0  # number of images charged
    answered: bool = False  # the whole answer was sent to a connected caller

    def row(self) -> dict[str, Any]:
        values = self.body.values if self.body else {}
        return {
            "model": None,
            "prompt": None,
            "seed": None,
            **{name: _shortened(value) for name, value in values.items()},
            "number": self.number,
            "id": self.id,
            "call": self.kind,
            "began_ms": self.began_ms,
            "paid_ms": self.paid_ms,
            "key": self.key,
            "encoding": self.body and self.body.encoding,
            "images": len(self.body.images) if self.body else 0,
            "has_mask": bool(self.body and self.body.mask),
            "used_seed": self.used_seed,
            "status": self.status,
            "paid": self.paid,
            "answered": self.answered,
        }


class OpenAICalls:
    """The newest calls in order of arrival, and the total of paid images."""

    def __init__(self) -> None:
        self._calls: deque[OpenAICall] = deque(maxlen=KEPT_CALLS)
        self._numbers = itertools.count(1)
        self._paid = 0

    def begin(self, kind: str) -> OpenAICall:
        call = OpenAICall(number=next(self._numbers), kind=kind)
        self._calls.append(call)
        return call

    def pay(self, call: OpenAICall, images: int) -> None:
        call.paid, call.paid_ms = images, int(time.time() * 1000)
        self._paid += images

    def table(self) -> dict[str, Any]:
        """`{"paid": total of charged images, "calls": [row]}`; a row has the submitted parameters and the outcome."""
        return {"paid": self._paid, "calls": [call.row() for call in self._calls]}


def _shortened(value: Any) -> Any:
    return value if isinstance(value, int | float) else str(value)[:KEPT_TEXT_CHARS]
