"""The page docs/models.md: which parameter of each model every option of the commands reaches.

`python -m tests.env.option_table > docs/models.md` writes it anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import Catalog, ModelInfo
from bot.domain.catalog.params import settable

FACTS: Mapping[str, Mapping[str, Any]] = {
    each["id"]: each
    for each in json.loads(files("sandbox.images").joinpath("models.json").read_text("utf-8"))
    if "image" in each["capabilities"]["output"]
}
CATALOG = Catalog.read(FACTS.values(), credit_usd=0.01, model_prices={})

_HEAD = """\
# Models and their options

The image models of Oxen.ai as it documented them in August 2026. Members use the same names for every model: `a → b` means that the
option `a` of `/generate` and `/edit` sets what the model calls `b`. Everything else is set with `more`, as name=value. Models that
Oxen.ai adds later work the same way, since Easel reads their options from its list. This page is generated and tested.

| model | options | with `more` | reference images |
|---|---|---|---|
"""


def page() -> str:
    return _HEAD + "".join(f"| {' | '.join(row(model))} |\n" for model in CATALOG.models)


def row(model: ModelInfo) -> tuple[str, ...]:
    ideas = [_arrow(idea, option.name) for idea in Idea if (option := model.option(idea)) is not None]
    return model.title.replace("[", r"\["), _listed(ideas), _listed(f"`{name}`" for name in by_more(model)), _references(model)


def by_more(model: ModelInfo) -> list[str]:
    """The parameters that only `more` reaches."""
    return [name for name in settable(model) if name not in set(Idea)]


def _arrow(idea: Idea, name: str) -> str:
    return f"`{idea}`" if name == idea else f"`{idea} → {name}`"


def _listed(parts: Any) -> str:
    return ", ".join(parts) or "-"


def _references(model: ModelInfo) -> str:
    if not model.takes_references:
        return "-"
    count = "one" if model.max_references == 1 else "several"
    marks = {"required": model.references_required, "for their style": not model.edits, "mask": model.mask_option is not None}
    return ", ".join((count, *(mark for mark, has_it in marks.items() if has_it)))


if __name__ == "__main__":
    sys.stdout.write(page())
