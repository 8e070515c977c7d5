"""The models that the image API offers: what each takes, makes and costs. Pure values; whoever holds a catalogue refreshes it."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Final

import jsonschema_rs

from bot.errors import InvalidRequest
from bot.images import ideas
from bot.images.ideas import IDEA_NAMES, REFERENCE_NAMES, Choice, Idea
from bot.images.provider import Slots
from bot.images.schema import Option, Schema, find_schema, read_options, read_schema, validator
from bot.images.values import listed, show

MICROCREDITS: Final = 1_000_000  # one credit
DEFAULT_SEEDS: Final = (0, 2**31 - 1)  # where a schema names no range
_MAX_SEED: Final = 2**53 - 1  # the largest whole number that survives every JSON reader
_MAX_MODELS: Final = 1000
_MAX_SUGGESTIONS: Final = 25  # Discord shows no more


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model that makes pictures."""

    id: str
    title: str
    summary: str
    provider: str  # who developed it
    price_microcredits: int | None  # for one picture; None: not known in advance
    schema: Schema  # made safe by `read_schema`
    takes_references: bool
    makes_images: bool = True

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """Every parameter by its own name, in the model's order."""
        return read_options(self.schema)

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        return validator({**self.schema, "required": [name for name in self.schema["required"] if name not in self.given_apart]})

    @cached_property
    def reference_option(self) -> Option | None:
        return ideas.find_option(self.options, REFERENCE_NAMES)

    @property
    def references_required(self) -> bool:
        return self.reference_option is not None and self.reference_option.required

    @property
    def max_references(self) -> int | None:
        """How many reference pictures the model takes; `None` where it names no limit."""
        option = self.reference_option
        if option is None:
            return None if self.takes_references else 0
        return option.max_items if "array" in option.kinds else 1

    @property
    def slots(self) -> Slots:
        """Where this model wants its seed and references."""
        option = self.reference_option
        if option is None:
            return Slots(seed=self.seed_field or Slots.seed)
        return Slots(seed=self.seed_field or Slots.seed, references=option.name, many="array" in option.kinds)

    @property
    def seed_field(self) -> str | None:
        """The seed's own name, where the model has a seed."""
        option = self.option(Idea.SEED)
        return option.name if option and option.kinds & {"integer", "number"} else None

    @property
    def seed_range(self) -> tuple[int, int]:
        """The smallest and the largest seed; negative ones mean "any" to some models and are left out."""
        option = self.option(Idea.SEED)
        low, high = DEFAULT_SEEDS
        least = low if option is None or option.least is None else max(low, math.ceil(option.least))
        most = high if option is None or option.most is None else min(_MAX_SEED, math.floor(option.most))
        return (least, most) if least <= most else DEFAULT_SEEDS

    @property
    def prompt_limit(self) -> int | None:
        """The longest prompt in characters that the schema allows; `None` where it names no limit."""
        option = self.options.get("prompt")
        return option.max_length if option else None

    @property
    def ideas(self) -> tuple[Idea, ...]:
        """The ideas that this model has."""
        return tuple(idea for idea in Idea if self.option(idea) is not None)

    def option(self, idea: Idea) -> Option | None:
        """The model's own parameter for an idea."""
        return ideas.find_option(self.options, IDEA_NAMES[Idea(idea)])

    def choices(self, idea: Idea, typed: str = "") -> list[Choice]:
        """Autocomplete for an idea; empty where the model does not have it."""
        option = self.option(idea)
        return ideas.choices(option, typed) if option else []

    @cached_property
    def given_apart(self) -> frozenset[str]:
        """Names that a request carries outside its params."""
        return frozenset({"prompt", "model", self.slots.seed, self.slots.references})


class Catalog:
    """Every model on offer, by title. Immutable."""

    def __init__(self, models: Iterable[ModelInfo], raw: Sequence[Mapping[str, Any]] = ()) -> None:
        self.models = tuple(sorted(models, key=lambda model: (model.title.casefold(), model.id)))
        self._raw = raw
        self._by_id = {model.id: model for model in self.models}
        self._by_name = {name.casefold(): model for model in self.models for name in (model.title, model.id)}

    @classmethod
    def read(cls, raw: Iterable[object], *, credit_usd: float, model_prices: Mapping[str, float]) -> Catalog:
        """Build from models as the image API describes them.

        `credit_usd` is one credit in US dollars; `model_prices` (credits by model id) overrules the image API. Models that make no
        images, or cannot be read, are left out.
        """
        kept = {model["id"]: model for model in list(raw)[:_MAX_MODELS] if isinstance(model, Mapping) and _is_offered(model)}
        models = [_read_model(model, credit_usd=credit_usd, prices=model_prices) for model in kept.values()]
        usable = [model for model in models if set(model.schema["required"]) <= set(model.options) | {"prompt", "model"}]
        return cls(usable, [_trimmed(kept[model.id], model) for model in usable])

    @classmethod
    def from_json(cls, text: str, *, credit_usd: float, model_prices: Mapping[str, float]) -> Catalog:
        """The reverse of `to_json`; prices follow today's settings. `ValueError` for a text that is no catalogue."""
        raw = json.loads(text)
        if not isinstance(raw, list):
            raise ValueError("a catalogue is a list of models")  # noqa: TRY004 - it is the text that is wrong
        return cls.read(raw, credit_usd=credit_usd, model_prices=model_prices)

    def to_json(self) -> str:
        """The models as the image API described them, trimmed to what is read."""
        return json.dumps(self._raw, separators=(",", ":"))

    def __len__(self) -> int:
        return len(self.models)

    def get(self, id_or_title: str) -> ModelInfo:
        """A model by id or title. `InvalidRequest` names near ones."""
        wanted = id_or_title.strip()
        model = self._by_id.get(wanted) or self._by_name.get(wanted.casefold())
        if model is None:
            raise InvalidRequest(self._unknown(wanted))
        return model

    def search(self, text: str) -> list[ModelInfo]:
        """At most 25 models whose title, id or developer contains every word; titles that begin with the text come first."""
        wanted = text.strip().casefold()
        found = [model for model in self.models if all(word in _haystack(model) for word in wanted.split())]
        found.sort(key=lambda model: not model.title.casefold().startswith(wanted))
        return found[:_MAX_SUGGESTIONS]

    def slots(self, model_id: str) -> Slots:
        """Where a model wants its seed and references; the usual places for a model that is not on offer."""
        model = self._by_id.get(model_id)
        return model.slots if model else Slots()

    def _unknown(self, wanted: str) -> str:
        if not self.models:
            return "The list of models has not arrived yet; please try again in a moment."
        near = difflib.get_close_matches(wanted.casefold(), self._by_name, n=3, cutoff=0.5)
        titles = list(dict.fromkeys(self._by_name[name].title for name in near))
        hint = f"did you mean {listed(titles, 'or')}?" if titles else "/models lists those there are."
        return f"There is no model {show(wanted)}; {hint}"


def makes_images(raw: Mapping[str, Any]) -> bool:
    """Whether the image API says that a model makes pictures."""
    capabilities = raw.get("capabilities")
    output = capabilities.get("output") if isinstance(capabilities, Mapping) else None
    if isinstance(output, list) and output:
        return "image" in output
    return "/images/" in _text(raw.get("endpoint"), 500)


def price_microcredits(raw: Mapping[str, Any], *, credit_usd: float) -> int | None:
    """What one picture costs, rounded up to whole microcredits; `None` for a model that is not priced by the picture."""
    pricing = raw.get("pricing")
    if not isinstance(pricing, Mapping) or pricing.get("method") != "per_image":
        return None
    cost = pricing.get("cost_per_image")
    try:
        dollars = Decimal("NaN") if isinstance(cost, bool) else Decimal(str(cost))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or not 0 <= dollars <= 1_000_000:
        return None
    return _microcredits(dollars / Decimal(str(credit_usd)))


def _microcredits(credit: Decimal) -> int:
    return math.ceil(credit * MICROCREDITS)


def _is_offered(raw: Mapping[str, Any]) -> bool:
    return makes_images(raw) and 0 < len(_text(raw.get("id"), 101)) <= 100  # as long as the value of a choice may be


def _read_model(raw: Mapping[str, Any], *, credit_usd: float, prices: Mapping[str, float]) -> ModelInfo:
    schema = read_schema(find_schema(raw))
    capabilities = raw.get("capabilities")
    inputs = capabilities.get("input") if isinstance(capabilities, Mapping) else None
    developer = raw.get("developer")
    overruled = prices.get(raw["id"])
    return ModelInfo(
        id=raw["id"],
        title=_text(raw.get("display_name"), 100) or raw["id"],
        summary=_text(raw.get("summary"), 500) or _text(raw.get("description"), 500),
        provider=_text(developer.get("name") if isinstance(developer, Mapping) else raw.get("owned_by"), 100),
        price_microcredits=price_microcredits(raw, credit_usd=credit_usd) if overruled is None else _microcredits(Decimal(str(overruled))),
        schema=schema,
        takes_references=_takes_references(schema, inputs),
    )


def _takes_references(schema: Schema, inputs: object) -> bool:
    """The schema knows; without one, the capabilities do."""
    if schema["properties"]:
        return any(name in schema["properties"] for name in REFERENCE_NAMES)
    return isinstance(inputs, list) and "image" in inputs


_READ_FIELDS: Final = ("id", "display_name", "summary", "description", "owned_by", "developer", "capabilities", "endpoint", "pricing")


def _trimmed(raw: Mapping[str, Any], model: ModelInfo) -> Mapping[str, Any]:
    return {**{name: raw[name] for name in _READ_FIELDS if name in raw}, "request_schema": model.schema}


def _haystack(model: ModelInfo) -> str:
    return f"{model.title} {model.id} {model.provider}".casefold()


def _text(value: object, limit: int) -> str:
    return " ".join(value.split())[:limit] if isinstance(value, str) else ""
