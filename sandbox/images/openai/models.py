"""Oxlo's models. The facts are in models.json: ids, tiers, native sizes and which models edit, as documented.

The document does not specify other sizes. `side_px` is the sandbox's assumption: minimum, maximum and step of each side.
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

CREATED = 1_735_689_600  # Unix seconds, arbitrary


class Tier(StrEnum):
    """The tiers of a plan, lowest first."""

    FREE = "Free"
    PRO = "Pro"
    PREMIUM = "Premium"


TIERS_OF_KEYS = {"free-key": (Tier.FREE,), "pro-key": (Tier.FREE, Tier.PRO)}  # any other key has all tiers


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
        """Parse `WxH`; `auto` or None is the native size. Raises `OpenAIApiError` for a size that the model cannot make."""
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
        """The model object in OpenAI's format."""
        return {"id": self.id, "object": "model", "created": CREATED, "owned_by": "oxlo"}


class OxloCatalog:
    """All models, in their listed order."""

    def __init__(self) -> None:
        facts = json.loads(files(__package__).joinpath("models.json").read_text("utf-8"))
        self._models = {each["id"]: _model(each) for each in facts}

    def __iter__(self) -> Any:
        return iter(self._models.values())

    def get(self, model_id: str) -> OxloModel:
        """Raises `OpenAIApiError` for an unknown model."""
        model = self._models.get(model_id)
        if model is None:
            raise unknown_model(model_id)
        return model

    def available_to(self, key: str, model_id: str) -> OxloModel:
        """Like `get`, but also raises `OpenAIApiError` if the tier of the key does not include the model."""
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
