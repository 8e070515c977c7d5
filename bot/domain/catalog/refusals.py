"""Sentences for options and values that a model does not accept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.core import commands
from bot.core.i18n import _, ngettext
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import accepted, comma_list, or_list, quoted
from bot.domain.catalog.schema import Option

_SHOWN_VALUES: Final = 12


def not_allowed(model: ModelInfo, option: Option, name: str, given: object) -> str:
    """A value that the option `name` does not accept, and what it accepts instead."""
    facts = {"model": quoted(model.title), "name": commands.option(name), "value": quoted(given)}
    if not option.closed:
        return _("{model} needs {allowed} for {name}, not {value}.").format(**facts, allowed=accepted(option))
    shown = [quoted(value) for value in option.values[:_SHOWN_VALUES]]
    more = len(option.values) - len(shown)
    if more:
        sentence = ngettext(
            "{model} can't use {value} for {name}. Choose {values}, or {count} more value.",
            "{model} can't use {value} for {name}. Choose {values}, or one of {count} more values.",
            more,
        )
        return sentence.format(**facts, values=comma_list(shown), count=more)
    if name == Idea.ASPECT_RATIO:
        return _("{model} can't do {value}. Choose {values}.").format(**facts, values=or_list(shown))
    return _("{model} can't use {value} for {name}. Choose {values}.").format(**facts, values=or_list(shown))


def no_option(model: ModelInfo, name: str, names: Sequence[str]) -> str:
    """An option that the model does not have, and those that it has."""
    if not names:
        return _("{model} has no options to set.").format(model=quoted(model.title))
    sentence = _("{model} has no option called {name}. It has {options}.")
    options = comma_list([quoted(each) for each in names])
    return sentence.format(model=quoted(model.title), name=quoted(commands.option(name)), options=options)
