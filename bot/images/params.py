"""From what a member chose to what a model is sent: named, typed, checked against the schema, or refused with one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from bot.errors import InvalidRequest
from bot.images.catalog import ModelInfo
from bot.images.ideas import Idea
from bot.images.schema import Option, Scalar
from bot.images.shapes import ratio_of
from bot.images.values import allowed, coerce, show

MAX_MORE: Final = 1000  # characters

Given = dict[str, tuple[Option, str, object]]  # by the model's name: the option, what the member calls it, and the value

# Names that members may not set in `more`, and why.
NOT_FOR_MEMBERS: Final[tuple[tuple[str, str], ...]] = (
    ("prompt", "the prompt has an option of its own"),
    ("model", "the model has an option of its own"),
    ("num_generations", "count has an option of its own"),
    ("n", "count has an option of its own"),
    ("response_format", "the bot chooses it"),
    ("target_namespace", "the operator of this bot chooses it"),
    ("disable_safety_checker", "the operator of this bot decides about it"),
    ("enable_safety_checker", "the operator of this bot decides about it"),
    ("safety_checker", "the operator of this bot decides about it"),
    ("safety_tolerance", "the operator of this bot decides about it"),
)

_PAIR: Final = re.compile(r"""[\s,]*([A-Za-z_][\w-]{0,63})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s,"']+))(?=[\s,]|$)""")
_STRAIGHT: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})  # phones type these
_LINK: Final = re.compile(r"\s*(https?|ftp|file|data|blob):", re.IGNORECASE)


def build_params(model: ModelInfo, options: Mapping[Idea, str | int | float | None], more: str = "") -> dict[str, Any]:
    """The model's own parameters for chosen ideas (by `Idea`; `None` is not chosen) and `more` (name=value pairs).

    `InvalidRequest` names the field, what is allowed and what was given. A seed among the options is checked and kept under the
    model's own name; prompt and references are checked by `check_prompt` and `check_references`.
    """
    given: Given = {}
    for idea, value in options.items():
        if value is not None and value != "":
            _give(given, _idea_option(model, Idea(idea)), Idea(idea).value, value)
    for name, value in _pairs(more):
        _give(given, _named_option(model, name), name, value)
    return _filled_in(model, given)


def carry_over(params: Mapping[str, Any], old: ModelInfo, new: ModelInfo) -> dict[str, Any]:
    """The params of one model for another that stands in for it, each by what it means. What was only filled in is left out.

    `InvalidRequest` where something that was chosen cannot be said there. The seed is not among them: see `ModelInfo.seed_field`.
    """
    filled_in = _needed_defaults(old)
    ideas = {option.name: idea for idea in Idea if (option := old.option(idea)) and not option.sent_as}
    given: Given = {}
    for name, value in params.items():
        if name in filled_in and filled_in[name] == value:
            continue
        label, meant = _meant(ideas.get(name), name, value, new)
        _give(given, _named_option(new, label), label, meant)
    return _filled_in(new, given)


def _meant(idea: Idea | None, name: str, value: Any, new: ModelInfo) -> tuple[str, Any]:
    """What to call a parameter for another model. A size in pixels that it does not make is still a shape that it may have."""
    if idea is not Idea.RESOLUTION:
        return idea.value if idea else name, value
    size, ratio = new.option(Idea.RESOLUTION), ratio_of(value)
    if ratio is None or (size is not None and value in size.values):
        return idea.value, value
    return Idea.ASPECT_RATIO.value, ratio


def _filled_in(model: ModelInfo, given: Given) -> dict[str, Any]:
    chosen = {name: _read(option, label, value) for name, (option, label, value) in given.items()}
    params: dict[str, Any] = {**_needed_defaults(model), **chosen}
    _check_schema(model, params, given)
    return params


def check_prompt(model: ModelInfo, prompt: str, *, max_length: int) -> str:
    """The prompt without outer blanks. `InvalidRequest` where it is empty or longer than the model or `max_length` (characters) allows."""
    text = prompt.strip()
    limit = min(max_length, model.prompt_limit or max_length)
    if not text:
        raise InvalidRequest("prompt: a description of the picture is needed, nothing was given.")
    if len(text) > limit:
        raise InvalidRequest(f"prompt: text of at most {limit} characters is allowed, {len(text)} were given.")
    return text


def check_references(model: ModelInfo, count: int, params: Mapping[str, Any] | None = None) -> None:
    """`InvalidRequest` where the model does not take this many reference pictures, or `params` need one and there is none."""
    limit = model.max_references
    if count and not model.takes_references:
        raise InvalidRequest(f"{model.title} takes no reference pictures, {count} {_were(count)} given.")
    if not count and model.references_required:
        raise InvalidRequest(f"{model.title} needs a reference picture, none was given.")
    strength = model.option(Idea.STRENGTH)
    if not count and strength and strength.name in (params or {}):
        raise InvalidRequest("strength: it says how much a picture is changed, and no picture was given.")
    if limit is not None and count > limit:
        at_most = "one reference picture" if limit == 1 else f"at most {limit} reference pictures"
        raise InvalidRequest(f"{model.title} takes {at_most}, {count} {_were(count)} given.")


def check_seed(model: ModelInfo, seed: int, *, count: int = 1) -> None:
    """`InvalidRequest` where the model has no seed, or seeds `seed` to `seed + count - 1` leave its range."""
    if model.seed_field is None:
        _idea_option(model, Idea.SEED)
        raise InvalidRequest(f"{model.title} takes no number as a seed.")
    least, most = model.seed_range
    if not least <= seed <= most - count + 1:
        raise InvalidRequest(f"seed: a whole number from {least} to {most - count + 1} is allowed, {show(seed)} was given.")


def settable(model: ModelInfo) -> list[str]:
    """What a member may set, by the names that this house uses: ideas first, then the model's own names."""
    by_idea = [(option.name, idea.value) for idea in Idea if (option := model.option(idea))]
    known = {name for name, _ in by_idea}
    kept_back = {name for name, _ in NOT_FOR_MEMBERS}
    if model.reference_option:
        kept_back.add(model.reference_option.name)
    return [*(idea for _, idea in by_idea), *(name for name in model.options if name not in known | kept_back)]


def _give(given: Given, option: Option, label: str, value: object) -> None:
    if option.name not in given:
        given[option.name] = (option, label, value)
        return
    first, other, _ = given[option.name]
    if first != option:  # a model that knows sizes alone: the shape is chosen by its size too
        raise InvalidRequest(f"{show(label)} and {show(other)} both choose the size here; one of them is enough.")
    raise InvalidRequest(f"{show(label)} was given twice; once is enough.")


def _idea_option(model: ModelInfo, idea: Idea) -> Option:
    option = model.option(idea)
    if option is None:
        raise InvalidRequest(_has_no(model, idea.value))
    return option


def _has_no(model: ModelInfo, name: str) -> str:
    names = settable(model)
    return f"{model.title} has no option {show(name)}; it has {', '.join(names) if names else 'none'}."


def _pairs(more: str) -> Iterator[tuple[str, str]]:
    text = more.translate(_STRAIGHT).strip(" \t\r\n,")
    if len(text) > MAX_MORE:
        raise InvalidRequest(f"more: at most {MAX_MORE} characters are allowed, {len(text)} were given.")
    position = 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if found is None:
            raise InvalidRequest(
                f"more: name=value pairs are allowed, such as output_quality=high, {show(text[position:].strip(' ,'))} was given."
            )
        name, *values = found.groups()
        yield name, next(value for value in values if value is not None)
        position = found.end()


def _named_option(model: ModelInfo, name: str) -> Option:
    """The option that a name in `more` means: the model's own name, or an idea's."""
    for kept_back, reason in NOT_FOR_MEMBERS:
        if name.casefold() == kept_back:
            raise InvalidRequest(f"more: {kept_back} cannot be set there; {reason}.")
    ideas = {idea.value for idea in Idea}
    option = model.options.get(name) or (model.option(Idea(name)) if name in ideas else None)
    if option is None:
        raise InvalidRequest(_has_no(model, name))
    if option == model.option(Idea.SEED):
        raise InvalidRequest("more: seed cannot be set there; the seed has an option of its own.")
    if option == model.reference_option:
        raise InvalidRequest(f"more: {option.name} cannot be set there; reference pictures are attached.")
    return option


def _read(option: Option, label: str, value: object) -> Scalar | list[Scalar]:
    if isinstance(value, list):
        return value
    if isinstance(value, str) and _LINK.match(value):
        raise InvalidRequest(f"{label}: links are not taken here; reference pictures are attached.")
    try:
        read = coerce(option, value)
    except ValueError:
        raise InvalidRequest(_refusal(option, label, value)) from None
    return read if isinstance(read, list) else option.sent_as.get(read, read)


def _check_schema(model: ModelInfo, params: dict[str, Any], given: Given) -> None:
    error = next(iter(model.validator.iter_errors(params)), None)
    if error is None:
        return
    name = str(error.instance_path[0]) if error.instance_path else ""
    if name in given:
        option, label, value = given[name]
        raise InvalidRequest(_refusal(option, label, value))
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        raise InvalidRequest(f"{model.title} needs {show(error.kind.property)}; give it in more, as {show(error.kind.property)}=value.")
    raise InvalidRequest(f"{model.title} does not take these options together.")


def _refusal(option: Option, label: str, value: object) -> str:
    return f"{label}: {allowed(option)}, {show(value)} was given."


def _needed_defaults(model: ModelInfo) -> dict[str, Scalar]:
    """What the schema both requires and has a default for, so that leaving it out is no refusal."""
    wanted = [option for option in model.options.values() if option.required and option.name not in model.given_apart]
    return {option.name: option.default for option in wanted if option.default is not None}


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
