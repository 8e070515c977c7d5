"""The catalogue: all models of all image APIs, with their options and prices. Immutable.

A model without a price is listed but cannot be ordered: its cost is unknown, and a free image would not be limited by any quota. Prices
come from MODEL_PRICES, else they are the image API's costs, from the model's description or the endpoint's settings: see `costs`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from bot.core.errors import InvalidRequest
from bot.core.i18n import _
from bot.domain.catalog import ideas
from bot.domain.catalog.costs import UNKNOWN, Costs, default_price_microcredits, microcredits, read_costs
from bot.domain.catalog.counts import hidden_images, is_count
from bot.domain.catalog.ideas import IDEA_NAMES, MASK_NAMES, REFERENCE_NAMES, STYLE_NAMES, Choice, Idea
from bot.domain.catalog.options import folded, or_list, quoted, without_price
from bot.domain.catalog.reading import MODELS_MAX, LeftOut, PartsBudget, read_all
from bot.domain.catalog.schema import Option, Schema, find_schema, read_options, read_schema, validator
from bot.domain.catalog.shapes.aspect_ratios import as_ratios

if TYPE_CHECKING:
    import jsonschema_rs

DEFAULT_SEEDS: Final = (0, 2**31 - 1)  # for schemas without a range
_MAX_SEED: Final = 2**53 - 1  # the largest integer that every JSON parser reads exactly
_MAX_NAME: Final = 100  # characters, Discord's limit for the value of a choice
_NEAR: Final = 20  # characters by which similar names may differ in length
_COMPARED: Final = 100  # names; comparing takes long
_MAX_SUGGESTIONS: Final = 25  # Discord shows no more


@dataclass(frozen=True, kw_only=True)
class Slots:
    """The parameter names under which a model expects its seed, reference images and mask."""

    seed: str = "seed"
    references: str = "input_image"
    mask: str = "mask"
    many: bool = True  # True: a list of references; False: a single one, as a string
    link: str | None = None  # each reference is an object with this property; None: a string

    def references_as_sent(self, references: Sequence[str]) -> object:
        """The value of the parameter for at least one reference."""
        sent = [each if self.link is None else {self.link: each} for each in references]
        return sent if self.many else sent[0]


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """One model that makes images."""

    id: str  # unique among all models
    title: str  # unique among all models
    api_id: str  # the image API's id for it
    provider: str  # `Provider.name` of the image API
    developer: str
    summary: str
    price_microcredits: int | None = None  # per image with the default options; None: unknown
    operator_price: int | None = None  # microcredits per image with any options, from MODEL_PRICES; None: not set
    costs: Costs = UNKNOWN
    price_is_fixed: bool = False  # `price_microcredits` holds for any options: it is a server's, or that of chosen options
    schema: Schema  # from `read_schema`
    takes_references: bool
    makes_images: bool = True

    @property
    def price_varies(self) -> bool:
        """Whether the price depends on options."""
        return not self.price_is_fixed and self.operator_price is None and self.costs.vary

    @cached_property
    def options(self) -> Mapping[str, Option]:
        """Every parameter by name, in the model's order."""
        return read_options(self.schema)

    @cached_property
    def validator(self) -> jsonschema_rs.Validator:
        return validator({**self.schema, "required": [name for name in self.schema["required"] if name not in self.separate_names]})

    @cached_property
    def reference_option(self) -> Option | None:
        names = (*REFERENCE_NAMES, *STYLE_NAMES)
        named = {name: self.options[name] for name in names if name in self.options}
        return ideas.find_option({name: option for name, option in named.items() if not is_count(option)}, names)

    @property
    def edits(self) -> bool:
        """Whether it edits reference images; False also if it takes only their style."""
        return self.takes_references and self.slots.link is None

    @cached_property
    def mask_option(self) -> Option | None:
        """The parameter for a mask: an image, white where the first reference image is changed. None: the model takes no mask."""
        texts = {name: option for name, option in self.options.items() if "string" in option.kinds and not option.values}
        return ideas.find_option(texts, MASK_NAMES) if self.takes_references else None

    @property
    def references_required(self) -> bool:
        return self.reference_option is not None and self.reference_option.required

    @cached_property
    def prompt_required(self) -> bool:
        """Whether it needs a prompt. A model that needs no reference image does, even if its schema says nothing of it."""
        required = self.schema["required"]  # the options of a whole list of models would take long to read
        return "prompt" in required or not (any(name in required for name in REFERENCE_NAMES) and self.references_required)

    @property
    def takes_prompt(self) -> bool:
        return self.prompt_required or "prompt" in self.schema["properties"]

    @property
    def upscales(self) -> bool:
        """Whether a reference image is enough for it: such models are offered for upscales, and for nothing else."""
        return not self.prompt_required

    @property
    def max_references(self) -> int | None:
        """The most reference images that the model accepts; None: no limit."""
        option = self.reference_option
        if option is None:
            return None if self.takes_references else 0
        return option.max_items if "array" in option.kinds else 1

    @property
    def slots(self) -> Slots:
        """The names under which this model expects its seed and references."""
        option = self.reference_option
        own = Slots(seed=self.seed_field or Slots.seed, mask=self.mask_option.name if self.mask_option else Slots.mask)
        if option is None:
            return own
        return replace(own, references=option.name, many="array" in option.kinds, link=STYLE_NAMES.get(option.name))

    @property
    def seed_field(self) -> str | None:
        """The name of the seed parameter, if the model has one."""
        option = self.option(Idea.SEED)
        return option.name if option and option.kinds & {"integer", "number"} else None

    @property
    def seed_range(self) -> tuple[int, int]:
        """The smallest and the largest seed. Negative ones are excluded: for some models they mean "random"."""
        option = self.option(Idea.SEED)
        low, high = DEFAULT_SEEDS
        least = low if option is None or option.least is None else max(low, math.ceil(option.least))
        most = high if option is None or option.most is None else min(_MAX_SEED, math.floor(option.most))
        return (least, most) if least <= most else DEFAULT_SEEDS

    @property
    def prompt_limit(self) -> int | None:
        """The longest prompt, in characters; None: no limit."""
        option = self.options.get("prompt")
        return option.max_length if option else None

    @property
    def ideas(self) -> tuple[Idea, ...]:
        """The ideas that this model has."""
        return tuple(idea for idea in Idea if self.option(idea) is not None)

    @property
    def separate_options(self) -> Mapping[Idea, Option]:
        """The options that can be set beside each other: of two ideas for the same parameter, the first."""
        found: dict[str, tuple[Idea, Option]] = {}
        for idea in Idea:
            if (option := self.option(idea)) is not None:
                found.setdefault(option.name, (idea, option))
        return dict(found.values())

    def option(self, idea: Idea) -> Option | None:
        """The model's parameter for an idea. For a model that lists only sizes, the aspect ratios are derived from them.

        Only upscalers have a scale: other models give these names to other things.
        """
        if idea is Idea.SCALE and not self.upscales:
            return None
        own = ideas.find_option(self.options, IDEA_NAMES[Idea(idea)])
        if own is not None or idea is not Idea.ASPECT_RATIO:
            return own
        sizes = ideas.find_option(self.options, IDEA_NAMES[Idea.RESOLUTION])
        return as_ratios(sizes) if sizes else None

    def choices(self, idea: Idea, typed: str = "") -> list[Choice]:
        """Autocomplete choices for an idea; empty if the model does not have it."""
        option = self.option(idea)
        return ideas.choices(option, typed) if option else []

    @cached_property
    def separate_names(self) -> frozenset[str]:
        """Parameters that a request carries outside its params."""
        masks = () if self.mask_option is None else (self.mask_option.name,)
        return frozenset({"prompt", "model", self.slots.seed, self.slots.references, *masks})


class Catalog:
    """Every available model, sorted by title. Immutable."""

    def __init__(self, models: Iterable[ModelInfo], left_out: Mapping[str, Sequence[LeftOut]] | None = None) -> None:
        """`left_out`: models that could not be read within their budget, by provider."""
        self.left_out = left_out or {}
        self.models = tuple(sorted(models, key=lambda model: (model.title.casefold(), model.id)))
        self._by_id = {model.id: model for model in self.models}
        self._by_origin = {(model.provider, model.api_id): model for model in self.models}
        self._by_name = {folded(name): model for model in self.models for name in (model.title, model.id)}
        self._by_full_name = {folded(f"{name}@{model.provider}"): model for model in self.models for name in (model.title, model.api_id)}

    @classmethod
    def read(cls, raw: Iterable[object], *, credit_usd: float, model_prices: Mapping[str, float], provider: str = "oxen") -> Catalog:
        """The models of one image API; see `merge`."""
        return cls.merge({provider: raw}, credit_usd=credit_usd, model_prices=model_prices)

    @classmethod
    def merge(cls, lists: Mapping[str, Iterable[object]], *, credit_usd: float, model_prices: Mapping[str, float]) -> Catalog:
        """Build from the raw models of each image API, by `Provider.name`. Of two equal names, the later one gets a suffix.

        `credit_usd` is one credit in US dollars; `model_prices` (credits by id or id@provider) overrides the image APIs' prices. Models
        that make no images are left out, and so are those in `left_out`. Takes seconds for hostile lists: call it in a thread. Keep the
        order of providers stable and pass an unavailable provider's last list: the names of models depend on both.
        """
        taken: set[str] = set()
        models: list[ModelInfo] = []
        left_out: dict[str, Sequence[LeftOut]] = {}
        for provider, raw in lists.items():
            kept = {model["id"]: model for model in list(raw)[:MODELS_MAX] if isinstance(model, Mapping) and _is_offered(model)}
            read, left_out[provider] = read_all(kept.values(), partial(_read_model, provider=provider, credit_usd=credit_usd))
            usable = [model for model in read if set(model.schema["required"]) <= set(model.options) | {"prompt", "model"}]
            named = [_with_unique_names(model, taken) for model in usable]
            taken |= {name.casefold() for model in named for name in (model.id, model.title)}
            models += named
        return cls((_priced(model, model_prices) for model in models if len(model.id) <= _MAX_NAME), left_out)

    def keeping(self, old: Catalog) -> Catalog:
        """This catalogue with the old one's models where nothing changed: their schemas are compiled already."""
        known = {model.id: model for model in old.models}
        return Catalog((known[model.id] if known.get(model.id) == model else model for model in self.models), self.left_out)

    def __len__(self) -> int:
        return len(self.models)

    def get(self, id_or_title: str) -> ModelInfo:
        """A model by id or title, optionally followed by @provider or, as autocomplete shows it, by its price.

        Raises `InvalidRequest`, which suggests similar names.
        """
        wanted = id_or_title.strip()
        for form in (wanted, without_price(wanted)):
            name = folded(form)
            if model := self._by_id.get(form) or self._by_name.get(name) or self._by_full_name.get(name):
                return model
        raise InvalidRequest(self._unknown(wanted))

    def search(self, text: str, *, most: int | None = _MAX_SUGGESTIONS) -> list[ModelInfo]:
        """At most `most` models (None: all) whose title, id, developer or provider contain every word.

        Titles that begin with the text come first.
        """
        wanted = text.strip().casefold()
        found = [model for model in self.models if all(word in _haystack(model) for word in wanted.split())]
        found.sort(key=lambda model: not model.title.casefold().startswith(wanted))
        return found[:most]

    def title(self, model_id: str) -> str:
        """A model's title, or its id if it is not offered."""
        return self._by_id[model_id].title if model_id in self._by_id else model_id

    def slots(self, api_id: str, provider: str = "oxen") -> Slots:
        """The slots of a model, by its image API's id; the defaults for an unknown model."""
        model = self._by_origin.get((provider, api_id))
        return model.slots if model else Slots()

    def _unknown(self, wanted: str) -> str:
        if not self.models:
            return _("The models are still loading. Try again in a moment.")
        names = islice((name for name in self._by_name if abs(len(name) - len(wanted)) <= _NEAR), _COMPARED)
        near = difflib.get_close_matches(wanted.casefold(), names, n=3, cutoff=0.5)
        titles = list(dict.fromkeys(self._by_name[name].title for name in near))
        near_ones = _("There's no model called {name}. Did you mean {titles}?")
        sentence = near_ones if titles else _("There's no model called {name}. Use /models to see them all.")
        return sentence.format(name=quoted(wanted), titles=or_list([quoted(title) for title in titles]))


def makes_images(raw: Mapping[str, Any]) -> bool:
    """Whether a raw model's description says that it makes images."""
    capabilities = raw.get("capabilities")
    output = capabilities.get("output") if isinstance(capabilities, Mapping) else None
    if isinstance(output, list) and output:
        return "image" in output
    return "/images/" in _text(raw.get("endpoint"), 500)


def takes_prompt(raw: Mapping[str, Any]) -> bool:
    """Whether a raw model's schema has a prompt, or says nothing of its parameters."""
    schema = find_schema(raw)
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return not isinstance(properties, Mapping) or not properties or "prompt" in properties


def _is_offered(raw: Mapping[str, Any]) -> bool:
    return makes_images(raw) and 0 < len(_text(raw.get("id"), _MAX_NAME + 1)) <= _MAX_NAME


def _with_unique_names(model: ModelInfo, taken: Container[str]) -> ModelInfo:
    """Append @provider to a title that is taken, and to both id and title if the id is taken."""
    suffix = f"@{model.provider}"
    id_, title = model.id, model.title
    while id_.casefold() in taken:
        id_ += suffix
    while title.casefold() in taken or (id_ != model.id and not title.endswith(suffix)):
        title += suffix
    return replace(model, id=id_, title=title)


def _priced(model: ModelInfo, prices: Mapping[str, float]) -> ModelInfo:
    """The model with its price, which is the operator's, if there is one."""
    override = prices.get(model.id, prices.get(f"{model.api_id}@{model.provider}"))
    model = replace(model, operator_price=None if override is None else microcredits(Decimal(str(override))))
    return replace(model, price_microcredits=default_price_microcredits(model))


def _read_model(raw: Mapping[str, Any], budget: PartsBudget, *, provider: str, credit_usd: float) -> ModelInfo:
    schema = read_schema(find_schema(raw), budget)
    capabilities = raw.get("capabilities")
    inputs = capabilities.get("input") if isinstance(capabilities, Mapping) else None
    developer = raw.get("developer")
    hidden = hidden_images(find_schema(raw), schema["properties"])
    return ModelInfo(
        id=raw["id"],
        title=_text(raw.get("display_name"), _MAX_NAME) or raw["id"],
        api_id=raw["id"],
        provider=provider,
        developer=_text(developer.get("name") if isinstance(developer, Mapping) else raw.get("owned_by"), 100),
        summary=_text(raw.get("summary"), 500) or _text(raw.get("description"), 500),
        costs=replace(read_costs(raw, credit_usd=credit_usd), hidden_images=hidden),
        schema=schema,
        takes_references=_takes_references(schema, inputs),
    )


def retired(model_id: str, *, api_id: str, provider: str) -> ModelInfo:
    """A model that is not offered any more: without a price and without options."""
    raw = {"id": model_id}
    return replace(_read_model(raw, PartsBudget(), provider=provider, credit_usd=1), api_id=api_id, price_microcredits=None)


def _takes_references(schema: Schema, inputs: object) -> bool:
    """From the schema, or without one from the capabilities."""
    if schema["properties"]:
        return any(name in schema["properties"] for name in (*REFERENCE_NAMES, *STYLE_NAMES))
    return isinstance(inputs, list) and "image" in inputs


def _haystack(model: ModelInfo) -> str:
    return f"{model.title} {model.id} {model.developer} {model.provider}".casefold()


def _text(value: object, limit: int) -> str:
    return " ".join(value.split())[:limit] if isinstance(value, str) else ""
