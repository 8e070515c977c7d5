"""Oxlo's models. The facts are data, in models.json: the document names ids, tiers, native sizes and which of them edit.

It is silent about other sizes. `side_px` is this sandbox's word for them: a least and a most of each side, in steps.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from sandbox.images.openai.errors import invalid, tier_too_low, unknown_model
from sandbox.scenes import Size

CREATED = 1_735_689_600  # Unix seconds; the list must name some time


class Tier(StrEnum):
    """What a key's plan includes, from the least on."""

    FREE = "Free"
    PRO = "Pro"
    PREMIUM = "Premium"


TIERS_OF_KEYS = {"free-key": (Tier.FREE,), "pro-key": (Tier.FREE, Tier.PRO)}  # any other key has all of them


@dataclass(frozen=True, kw_only=True)
class OxloModel:
    """One model; sizes in pixels."""

    id: str
    tier: Tier
    native: Size
    edits: bool
    least_px: int
    most_px: int
    step_px: int

    def size(self, text: object) -> Size:
        """The size that `WxH` means; the native one for `auto` or nothing. Raise `OpenAIApiError` for any that it cannot make."""
        if text is None or text == "auto":
            return self.native
        found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text, re.ASCII) if isinstance(text, str) else None
        if found is None:
            raise invalid("size", f"Invalid value for size: {text!r}. It must be like '{_text(self.native)}'.")
        size = int(found[1]), int(found[2])
        if any(not self.least_px <= side <= self.most_px or side % self.step_px for side in size):
            raise invalid(
                "size", f"`{self.id}` makes no {text}: each side has {self.least_px} to {self.most_px} pixels in steps of {self.step_px}."
            )
        return size

    def listed(self) -> dict[str, Any]:
        """As OpenAI lists a model."""
        return {"id": self.id, "object": "model", "created": CREATED, "owned_by": "oxlo"}


class OxloCatalog:
    """All of them, in the order in which they are listed."""

    def __init__(self) -> None:
        facts = json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))
        self._models = {each["id"]: _model(each) for each in facts}

    def __iter__(self) -> Any:
        return iter(self._models.values())

    def get(self, model_id: str) -> OxloModel:
        """Raise `OpenAIApiError` for an unknown one."""
        model = self._models.get(model_id)
        if model is None:
            raise unknown_model(model_id)
        return model

    def available_to(self, key: str, model_id: str) -> OxloModel:
        """Raise `OpenAIApiError` also where the tier of the key does not include it."""
        model = self.get(model_id)
        if model.tier not in TIERS_OF_KEYS.get(key, tuple(Tier)):
            raise tier_too_low(model.id, model.tier)
        return model


def _model(facts: dict[str, Any]) -> OxloModel:
    side = facts["side_px"]
    width, height = facts["native"].split("x")
    return OxloModel(
        id=facts["id"],
        tier=Tier(facts["tier"]),
        native=(int(width), int(height)),
        edits=facts["edits"],
        least_px=side["least"],
        most_px=side["most"],
        step_px=side["step"],
    )


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
