"""From what a member chose to what a model is sent: named, typed, checked against the schema, or refused with one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema_rs

from bot.core.errors import InvalidRequest
from bot.core.i18n import N_, _, ngettext
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import coerce, in_a_row, not_allowed, show
from bot.domain.catalog.schema import Option, Scalar
from bot.domain.catalog.sizes import ratio_of

MAX_MORE: Final = 1000  # characters

Reaction = dict[str, tuple[Option, str, object]]  # by the model's name: the option, what the member calls it, and the value

_OWN_OPTION: Final = N_("more: {name} cannot be set there; the {name} has an option of its own.")
_COUNT: Final = N_("more: {name} cannot be set there; count has an option of its own.")
_BOT_CHOOSES: Final = N_("more: {name} cannot be set there; the bot chooses it.")
_OPERATOR_CHOOSES: Final = N_("more: {name} cannot be set there; the operator of this bot decides about it.")

# Names that members may not set in `more`, and the sentence that says so.
NOT_FOR_MEMBERS: Final[tuple[tuple[str, str], ...]] = (
    ("prompt", _OWN_OPTION),
    ("model", _OWN_OPTION),
    ("num_generations", _COUNT),
    ("n", _COUNT),
    ("response_format", _BOT_CHOOSES),
    ("target_namespace", _OPERATOR_CHOOSES),
    ("safety_tolerance", _OPERATOR_CHOOSES),
)

_PAIR: Final = re.compile(r"""[\s,]*([A-Za-z_][\w-]{0,63})\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s,"']+))(?=[\s,]|$)""")
_STRAIGHT: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})  # phones type these
_LINK: Final = re.compile(r"\s*(https?|ftp|file|data|blob):", re.IGNORECASE)


def build_params(model: ModelInfo, options: Mapping[Idea, str | int | float | None], more: str = "") -> dict[str, Any]:
    """The model's own parameters for chosen ideas (by `Idea`; `None` is not chosen) and `more` (name=value pairs).

    `InvalidRequest` names the field, what is allowed and what was given. A seed among the options is checked and kept under the
    model's own name; prompt and references are checked by `check_prompt` and `check_references`.
    """
    given: Reaction = {}
    for idea, value in options.items():
        if value is not None and value != "":
            _give(given, _idea_option(model, Idea(idea)), Idea(idea).value, value)
    for name, value in pairs(more):
        _give(given, _named_option(model, name), name, value)
    return _filled_in(model, given)


def carry_over(params: Mapping[str, Any], old: ModelInfo, new: ModelInfo) -> dict[str, Any]:
    """The params of one model for another that stands in for it, each by what it means. What was only filled in is left out.

    `InvalidRequest` where something that was chosen cannot be said there. The seed is not among them: see `ModelInfo.seed_field`.
    """
    filled_in = _needed_defaults(old)
    ideas = {option.name: idea for idea in Idea if (option := old.option(idea)) and not option.sent_as}
    given: Reaction = {}
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


def _filled_in(model: ModelInfo, given: Reaction) -> dict[str, Any]:
    chosen = {name: _read(option, label, value) for name, (option, label, value) in given.items()}
    params: dict[str, Any] = {**_needed_defaults(model), **chosen}
    _check_schema(model, params, given)
    return params


def check_prompt(model: ModelInfo, prompt: str, *, max_length: int) -> str:
    """The prompt without outer blanks. `InvalidRequest` where it is empty or longer than the model or `max_length` (characters) allows."""
    text = prompt.strip()
    limit = min(max_length, model.prompt_limit or max_length)
    if not text:
        raise InvalidRequest(_("prompt: a description of the picture is needed, nothing was given."))
    if len(text) > limit:
        sentence = _("prompt: text of at most {limit} characters is allowed, {count} were given.")
        raise InvalidRequest(sentence.format(limit=limit, count=len(text)))
    return text


def check_references(model: ModelInfo, count: int, params: Mapping[str, Any] | None = None) -> None:
    """`InvalidRequest` where the model does not take this many reference images, or `params` need one and there is none."""
    limit = model.max_references
    if count and not model.takes_references:
        sentence = ngettext(
            "{model} takes no reference pictures, {count} was given.", "{model} takes no reference pictures, {count} were given.", count
        )
        raise InvalidRequest(sentence.format(model=model.title, count=count))
    if not count and model.references_required:
        raise InvalidRequest(_("{model} needs a reference picture, none was given.").format(model=model.title))
    strength = model.option(Idea.STRENGTH)
    if not count and strength and strength.name in (params or {}):
        raise InvalidRequest(_("strength: it says how much a picture is changed, and no picture was given."))
    if limit is not None and count > limit:
        sentence = ngettext(
            "{model} takes one reference picture, {count} were given.",
            "{model} takes at most {limit} reference pictures, {count} were given.",
            limit,
        )
        raise InvalidRequest(sentence.format(model=model.title, limit=limit, count=count))


def check_seed(model: ModelInfo, seed: int, *, count: int = 1) -> None:
    """`InvalidRequest` where the model has no seed, or seeds `seed` to `seed + count - 1` leave its range."""
    if model.seed_field is None:
        _idea_option(model, Idea.SEED)
        raise InvalidRequest(_("{model} takes no number as a seed.").format(model=model.title))
    least, most = model.seed_range
    if not least <= seed <= most - count + 1:
        sentence = _("seed: a whole number from {least} to {most} is allowed, {value} was given.")
        raise InvalidRequest(sentence.format(least=least, most=most - count + 1, value=show(seed)))


def settable(model: ModelInfo) -> list[str]:
    """What a member may set, by Easel's names: ideas first, then the model's own names."""
    by_idea = [(option.name, idea.value) for idea in Idea if (option := model.option(idea))]
    known = {name for name, _idea in by_idea}
    kept_back = {name for name, _sentence in NOT_FOR_MEMBERS}
    if model.reference_option:
        kept_back.add(model.reference_option.name)
    return [*(idea for _name, idea in by_idea), *(name for name in model.options if name not in known | kept_back)]


def _give(given: Reaction, option: Option, label: str, value: object) -> None:
    if option.name not in given:
        given[option.name] = (option, label, value)
        return
    first, other, _value = given[option.name]
    if first != option:  # a model that knows sizes alone: the shape is chosen by its size too
        sentence = _("{name} and {other} both choose the size here; one of them is enough.")
        raise InvalidRequest(sentence.format(name=show(label), other=show(other)))
    raise InvalidRequest(_("{name} was given twice; once is enough.").format(name=show(label)))


def _idea_option(model: ModelInfo, idea: Idea) -> Option:
    option = model.option(idea)
    if option is None:
        raise InvalidRequest(_has_no(model, idea.value))
    return option


def _has_no(model: ModelInfo, name: str) -> str:
    names = settable(model)
    sentence = _("{model} has no option {name}; it has {options}.") if names else _("{model} has no option {name}; it has none.")
    return sentence.format(model=model.title, name=show(name), options=in_a_row(names))


def pairs(more: str) -> Iterator[tuple[str, str]]:
    """Names and values as a member wrote them, `name=value name="a value"`. `InvalidRequest` where a part is none."""
    text = more.translate(_STRAIGHT).strip(" \t\r\n,")
    if len(text) > MAX_MORE:
        sentence = _("more: at most {limit} characters are allowed, {count} were given.")
        raise InvalidRequest(sentence.format(limit=MAX_MORE, count=len(text)))
    position = 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if found is None:
            sentence = _("more: name=value pairs are allowed, such as output_quality=high, {value} was given.")
            raise InvalidRequest(sentence.format(value=show(text[position:].strip(" ,"))))
        name, *values = found.groups()
        yield name, next(value for value in values if value is not None)
        position = found.end()


def _named_option(model: ModelInfo, name: str) -> Option:
    """The option that a name in `more` means: the model's own name, or an idea's."""
    for kept_back, sentence in NOT_FOR_MEMBERS:
        if name.casefold() == kept_back:
            raise InvalidRequest(_(sentence).format(name=kept_back))
    ideas = {idea.value for idea in Idea}
    option = model.options.get(name) or (model.option(Idea(name)) if name in ideas else None)
    if option is None:
        raise InvalidRequest(_has_no(model, name))
    if option == model.reference_option:
        raise InvalidRequest(_("more: {name} cannot be set there; reference pictures are attached.").format(name=option.name))
    return option


def _read(option: Option, label: str, value: object) -> Scalar | list[Scalar]:
    if isinstance(value, list):
        return value
    if isinstance(value, str) and _LINK.match(value):
        raise InvalidRequest(_("{name}: links are not taken here; reference pictures are attached.").format(name=label))
    try:
        read = coerce(option, value)
    except ValueError:
        raise InvalidRequest(not_allowed(option, label, value)) from None
    return read if isinstance(read, list) else option.sent_as.get(read, read)


def _check_schema(model: ModelInfo, params: dict[str, Any], given: Reaction) -> None:
    error = next(iter(model.validator.iter_errors(params)), None)
    if error is None:
        return
    name = str(error.instance_path[0]) if error.instance_path else ""
    if name in given:
        option, label, value = given[name]
        raise InvalidRequest(not_allowed(option, label, value))
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        sentence = _("{model} needs {name}; give it in more, as {name}=value.")
        raise InvalidRequest(sentence.format(model=model.title, name=show(error.kind.property)))
    raise InvalidRequest(_("{model} does not take these options together.").format(model=model.title))


def _needed_defaults(model: ModelInfo) -> dict[str, Scalar]:
    """What the schema both requires and has a default for, so that leaving it out is no refusal."""
    wanted = [option for option in model.options.values() if option.required and option.name not in model.given_apart]
    return {option.name: option.default for option in wanted if option.default is not None}
