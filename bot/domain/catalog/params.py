"""Converts a member's choices to a model's parameters: by name, typed, validated against the schema."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from bot.core import commands
from bot.core.errors import InvalidRequest
from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.core.storable import storable
from bot.domain.catalog.counts import is_count, names_a_count, nested_counts, single_image
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import coerce, factor_of, quoted, show
from bot.domain.catalog.refusals import no_option, not_allowed
from bot.domain.catalog.schema import Option, Scalar
from bot.domain.catalog.shapes.aspect_ratios import ratio_of
from bot.domain.catalog.shapes.edit_shape import SourceShape, kept_shape, names_shape, without_shape

MAX_MORE: Final = 1000  # characters

Choices = dict[str, tuple[Option, str, object]]  # by the model's parameter name: the option, the member's name for it, the value

_OWN_OPTION: Final = N_("Set {name} with its own option, not in `more`.")
_COUNT: Final = N_("You can't set {name} in `more`. Use the option for the number of images.")
_BOT_CHOOSES: Final = N_("You can't set {name}. Easel chooses it.")
_OPERATOR_CHOOSES: Final = N_("You can't set {name}. Only the bot's operator can.")

# Names that members may not set in `more`, with the refusal. They may not set counts of images either, under any name: see `counts`.
NOT_FOR_MEMBERS: Final[tuple[tuple[str, str], ...]] = (
    ("prompt", _OWN_OPTION),
    ("model", _OWN_OPTION),
    ("response_format", _BOT_CHOOSES),
    ("target_namespace", _OPERATOR_CHOOSES),
    ("safety_tolerance", _OPERATOR_CHOOSES),
)

_IDEAS: Final = frozenset(idea.value for idea in Idea)
_PAIR: Final = re.compile(r"""[\s,]*([^\W\d][\w-]{0,63})\s*=\s*(?:"([^"]*)"|'([^']*)'|([+-]?\d+,\d+|[^\s,"']+))(?=[\s,]|$)""")
_STRAIGHT_QUOTES: Final = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})  # phones insert curly ones
_LINK: Final = re.compile(r"\s*(https?|ftp|file|data|blob):", re.IGNORECASE)


def build_params(model: ModelInfo, options: Mapping[Idea, str | int | float | None], more: str = "") -> dict[str, Any]:
    """The model's parameters for `options` (None or empty: not chosen) and `more` (name=value pairs).

    Raises `InvalidRequest` naming the field, what is allowed and what was given. A seed in the options is included; prompt and
    references are checked by `check_prompt` and `check_references`.
    """
    return _with_defaults(model, _choices(model, options, more))


def build_edit_params(
    model: ModelInfo, options: Mapping[Idea, str | int | float | None], more: str, source: SourceShape
) -> tuple[dict[str, Any], bool]:
    """As `build_params`, for an edit of `source`. Also whether its shape was chosen after that image, because no other was chosen."""
    choices = _choices(model, options, more)
    params = _with_defaults(model, choices)
    kept = {} if any(names_shape(name, params[name]) for name in choices) else kept_shape(model, params, source)
    return {**params, **kept}, bool(kept)


def _choices(model: ModelInfo, options: Mapping[Idea, str | int | float | None], more: str) -> Choices:
    choices: Choices = {}
    for idea, value in options.items():
        if value is not None and value != "":
            _add(choices, _idea_option(model, Idea(idea)), Idea(idea).value, value)
    for name, value in pairs(more):
        _add(choices, _named_option(model, name), name, value)
    return choices


def preview_params(model: ModelInfo, options: Mapping[str, object]) -> dict[str, Any]:
    """The parameters for choices that are still being made, to show what they would cost. What cannot be read is left out.

    `options` are by idea, or by the model's own name.
    """
    params: dict[str, Any] = dict(filled_in(model))
    for name, value in options.items():
        option = model.option(Idea(name)) if name in _IDEAS else model.options.get(name)
        if option is not None and value not in (None, ""):
            with contextlib.suppress(InvalidRequest):
                params[option.name] = _read(model, option, name, value)
    return params


def carry_over(params: Mapping[str, Any], old: ModelInfo, new: ModelInfo, *, source: SourceShape | None = None) -> dict[str, Any]:
    """Convert one model's params for its fallback model, matching options by idea. Filled-in defaults are left out.

    `source`: the shape in the params was chosen after this image, so it is chosen anew. Raises `InvalidRequest` if a chosen value is not
    possible there. The seed is passed separately: see `ModelInfo.seed_field`.
    """
    defaults = filled_in(old)
    ideas = {option.name: idea for idea in Idea if (option := old.option(idea)) and not option.sent_as}
    choices: Choices = {}
    for name, value in (params if source is None else without_shape(params)).items():
        if name in defaults and defaults[name] == value:
            continue
        label, converted = _converted(ideas.get(name), name, value, new)
        _add(choices, _named_option(new, label), label, converted)
    carried = _with_defaults(new, choices)
    return carried if source is None else {**carried, **kept_shape(new, carried, source)}


def repeat(params: Mapping[str, Any], model: ModelInfo) -> dict[str, Any]:
    """The params of an earlier order for another one, with one image per request."""
    kept = {name: value for name, value in params.items() if name not in model.options or not is_count(model.options[name])}
    return kept | single_image(model.options)


def _converted(idea: Idea | None, name: str, value: Any, new: ModelInfo) -> tuple[str, Any]:
    """A parameter's name and value for another model. A size that it does not offer becomes an aspect ratio."""
    if idea is not Idea.RESOLUTION:
        return idea.value if idea else name, value
    size, ratio = new.option(Idea.RESOLUTION), ratio_of(value)
    if ratio is None or (size is not None and value in size.values):
        return idea.value, value
    return Idea.ASPECT_RATIO.value, ratio


def _with_defaults(model: ModelInfo, choices: Choices) -> dict[str, Any]:
    chosen = {name: _read(model, option, label, value) for name, (option, label, value) in choices.items()}
    nested = nested_counts([value for _option, _label, value in choices.values()])
    if nested:
        raise InvalidRequest(_(_COUNT).format(name=quoted(nested[0])))
    params: dict[str, Any] = {**filled_in(model), **chosen}
    _check_schema(model, params, choices)
    return params


def check_prompt(model: ModelInfo, prompt: str, *, max_length: int) -> str:
    """The stripped prompt, which is empty only for models that need none.

    Raises `InvalidRequest` if it is missing, or longer than the model or `max_length` (characters) allows, or if the model takes none.
    """
    text = storable(prompt).strip()
    limit = min(max_length, model.prompt_limit or max_length)
    if text and not model.takes_prompt:
        raise InvalidRequest(_("{model} doesn't use a prompt. Leave it out, or choose another model.").format(model=quoted(model.title)))
    if not text and model.prompt_required:
        raise InvalidRequest(_("Describe the image in the prompt."))
    if len(text) > limit:
        sentence = _("Your prompt has {count} characters. Shorten it to {limit}.")
        raise InvalidRequest(sentence.format(limit=number(limit), count=number(len(text))))
    return text


def check_references(model: ModelInfo, count: int, params: Mapping[str, Any] | None = None) -> None:
    """Raise `InvalidRequest` if the model does not accept `count` reference images, or `params` require one and there is none."""
    limit = model.max_references
    if count and not model.takes_references:
        sentence = ngettext(
            "{model} can't use reference images. Remove the image, or choose another model.",
            "{model} can't use reference images. Remove the {count} images, or choose another model.",
            count,
        )
        raise InvalidRequest(sentence.format(model=quoted(model.title), count=count))
    if not count and model.references_required:
        raise InvalidRequest(_("{model} needs a reference image. Attach one.").format(model=quoted(model.title)))
    strength = model.option(Idea.STRENGTH)
    if not count and strength and strength.name in (params or {}):
        raise InvalidRequest(_("Strength only applies to edits. Attach an image to edit, or leave strength out."))
    if limit is not None and count > limit:
        sentence = ngettext(
            "{model} can use one reference image, not {count}.",
            "{model} can use up to {limit} reference images, not {count}.",
            limit,
        )
        raise InvalidRequest(sentence.format(model=quoted(model.title), limit=limit, count=count))


def check_mask(model: ModelInfo, *, given: bool, others: Iterable[ModelInfo] = ()) -> None:
    """Raise `InvalidRequest` if the model takes no mask and one is given, or needs one. `others`: models that may be suggested."""
    if given and model.mask_option is None:
        other = next((quoted(each.title) for each in others if each.mask_option is not None and each.price_microcredits is not None), None)
        with_other = _("{model} can't use a mask. Leave the mask out, or choose {other}.")
        sentence = with_other if other else _("{model} can't use a mask. Leave the mask out.")
        raise InvalidRequest(sentence.format(model=quoted(model.title), other=other))
    if not given and model.mask_option is not None and model.mask_option.required:
        raise InvalidRequest(
            _("{model} needs a mask. Attach one to /edit: white is changed, black is kept.").format(model=quoted(model.title))
        )


def check_seed(model: ModelInfo, seed: int, *, count: int = 1) -> None:
    """Raise `InvalidRequest` if the model has no seed, or if `seed` to `seed + count - 1` exceed its range."""
    if model.seed_field is None:
        _idea_option(model, Idea.SEED)
        raise InvalidRequest(_("{model} doesn't support seeds.").format(model=quoted(model.title)))
    least, most = model.seed_range
    if not least <= seed <= most - count + 1:
        sentence = _("The seed must be a whole number from {least} to {most}, not {value}.")
        raise InvalidRequest(sentence.format(least=least, most=most - count + 1, value=quoted(seed)))


def settable(model: ModelInfo) -> list[str]:
    """The names that a member may set: ideas first, then the model's own names."""
    by_idea = [(option.name, idea.value) for idea in Idea if (option := model.option(idea))]
    known = {name for name, _idea in by_idea}
    kept_back = {name for name, _sentence in NOT_FOR_MEMBERS}
    kept_back |= {name for name, option in model.options.items() if names_a_count(name) or not option.is_typed}
    kept_back |= {option.name for option in (model.reference_option, model.mask_option) if option}
    return [*(idea for _name, idea in by_idea), *(name for name in model.options if name not in known | kept_back)]


def _add(choices: Choices, option: Option, label: str, value: object) -> None:
    if option.name not in choices:
        choices[option.name] = (option, label, value)
        return
    first, other, _value = choices[option.name]
    if first != option:  # aspect ratio and resolution of a model that lists only sizes: both set the size
        sentence = _("Use either {name} or {other}. Both set the size.")
        raise InvalidRequest(sentence.format(name=quoted(label), other=quoted(other)))
    raise InvalidRequest(_("You set {name} twice. Set it once.").format(name=quoted(label)))


def _idea_option(model: ModelInfo, idea: Idea) -> Option:
    option = model.option(idea)
    if option is None:
        raise InvalidRequest(no_option(model, idea.value, settable(model)))
    return option


def pairs(more: str) -> Iterator[tuple[str, str]]:
    """Parse `name=value name="a value"`. Raises `InvalidRequest` if a part is not such a pair."""
    text = more.translate(_STRAIGHT_QUOTES).strip(" \t\r\n,")
    if len(text) > MAX_MORE:
        sentence = _("More options can have up to {limit} characters, not {count}.")
        raise InvalidRequest(sentence.format(limit=number(MAX_MORE), count=number(len(text))))
    position = 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if found is None:
            sentence = _("Write more options as name=value, such as output_quality=high. {value} doesn't fit.")
            raise InvalidRequest(sentence.format(value=quoted(text[position:].strip(" ,"))))
        name, *values = found.groups()
        yield commands.option_named(name), next(value for value in values if value is not None)
        position = found.end()


def _named_option(model: ModelInfo, name: str) -> Option:
    """The option that a name in `more` refers to: the model's own name, or an idea's."""
    for kept_back, sentence in NOT_FOR_MEMBERS:
        if name.casefold() == kept_back:
            raise InvalidRequest(_(sentence).format(name=kept_back))
    if names_a_count(name) and (model.reference_option is None or name != model.reference_option.name):
        raise InvalidRequest(_(_COUNT).format(name=quoted(name)))
    option = model.options.get(name) or (model.option(Idea(name)) if name in _IDEAS else None)
    if option is None:
        raise InvalidRequest(no_option(model, name, settable(model)))
    if option == model.reference_option:
        raise InvalidRequest(_("You can't set {name}. Attach reference images instead.").format(name=option.name))
    if option == model.mask_option:
        raise InvalidRequest(_("You can't set {name}. Attach a mask to /edit instead.").format(name=option.name))
    return option


def _read(model: ModelInfo, option: Option, label: str, value: object) -> Scalar | list[Scalar]:
    if isinstance(value, list):
        return value
    if isinstance(value, str) and _LINK.match(value):
        raise InvalidRequest(_("{name} can't be a link. Attach reference images instead.").format(name=commands.option(label)))
    factor = factor_of(value) if label == Idea.SCALE else None
    try:
        read = coerce(option, value if factor is None else show(factor))
    except ValueError:
        raise InvalidRequest(not_allowed(model, option, label, value)) from None
    return read if isinstance(read, list) else option.sent_as.get(read, read)


def _check_schema(model: ModelInfo, params: dict[str, Any], choices: Choices) -> None:
    error = next(iter(model.validator.iter_errors(params)), None)
    if error is None:
        return
    import jsonschema_rs  # as in `schema.validator`

    name = str(error.instance_path[0]) if error.instance_path else ""
    if name in choices:
        option, label, value = choices[name]
        raise InvalidRequest(not_allowed(model, option, label, value))
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        sentence = _("{model} needs {name}. Add {name}=value to `more`.")
        raise InvalidRequest(sentence.format(model=quoted(model.title), name=quoted(error.kind.property)))
    raise InvalidRequest(_("{model} can't combine these options.").format(model=quoted(model.title)))


def filled_in(model: ModelInfo) -> dict[str, Scalar]:
    """The parameters that are sent unless a member chose them: the defaults of required ones, and 1 for every count of images."""
    wanted = [option for option in model.options.values() if option.required and option.name not in model.separate_names]
    return {option.name: option.default for option in wanted if option.default is not None} | single_image(model.options)
