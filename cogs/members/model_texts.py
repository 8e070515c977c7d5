"""Texts of /models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.core import commands
from bot.core.i18n import _, ngettext
from bot.core.markdown import code
from bot.domain.catalog.ideas import Choice, Idea, choices
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import comma_list, span
from bot.domain.catalog.params import preview_params, settable
from cogs.kit.texts import amount_of, price, quoted

REFERENCES_MAX = 4  # as in /generate
_COUNT = 4  # images of the example
_VALUES_MAX = 12  # of an option, by name
_SUMMARY_MAX = 300  # characters

PriceOf = Callable[[Mapping[str, object]], int | None]  # microcredits of an image with these params


def heading(count: int) -> str:
    """Above the menu. `count`: the models that the member may use here."""
    title = "## " + _("Models")
    if not count:
        return f"{title}\n" + _("No models are available here.")
    listed = ngettext("{count} model is available here.", "{count} models are available here.", count).format(count=count)
    return f"{title}\n{listed} " + _("Choose one to see what it can do.")


def model(shown: ModelInfo, price_of: PriceOf, *, is_default: bool) -> str:
    """What a model can do, and what it costs."""
    title = f"### {quoted(shown.title)}" + (" · " + _("default") if is_default else "")
    lines = [
        title,
        quoted(shown.summary, limit=_SUMMARY_MAX),
        _cost(shown),
        *_varied(shown, price_of),
        _references(shown),
        *_options(shown),
    ]
    return "\n".join(filter(None, lines))


def _cost(shown: ModelInfo) -> str:
    if shown.price_microcredits is None:
        return "💳 " + _("This model has no price yet, so it can't be used.")
    if shown.upscales:  # one image at a time
        return f"💳 {price(shown)}"
    return "💳 " + _("{price}. {count} images cost {total}.").format(
        price=price(shown), count=_COUNT, total=amount_of(shown.price_microcredits * _COUNT)
    )


def _varied(shown: ModelInfo, price_of: PriceOf) -> Iterator[str]:
    """The prices by each option that changes them."""
    for name, offers in _choices(shown).items() if shown.price_varies else ():
        prices = {choice.name: price_of(preview_params(shown, {name: choice.value})) for choice in offers}
        known = {name: micro for name, micro in prices.items() if micro is not None}
        if len(set(known.values())) > 1:
            listed = comma_list([f"{quoted(name)}: {amount_of(micro)}" for name, micro in list(known.items())[:_VALUES_MAX]])
            yield f"-# {code(commands.option(name))} {listed}"


def _choices(shown: ModelInfo) -> dict[str, list[Choice]]:
    """The values of every option that members can set, by the name that they use for it."""
    own = [name for name in settable(shown) if name not in shown.ideas]
    return {**{idea: shown.choices(idea) for idea in shown.ideas}, **{name: choices(shown.options[name], "") for name in own}}


def _references(shown: ModelInfo) -> str:
    if shown.upscales:
        return "🖼️ " + _("Makes an image larger and sharper, with {upscale}.").format(**commands.mentions("upscale"))
    if not shown.takes_references:
        return "🖼️ " + _("Creates images from a prompt only.")
    most = min(shown.max_references or REFERENCES_MAX, REFERENCES_MAX)
    if not shown.edits:
        sentence = ngettext("Takes the style of {count} reference image.", "Takes the style of up to {count} reference images.", most)
        return "🖼️ " + sentence.format(count=most)
    sentence = ngettext("Edits images, and takes {count} reference image.", "Edits images, and takes up to {count} reference images.", most)
    masked = [_("It takes a mask, with {edit}.").format(**commands.mentions("edit"))] if shown.mask_option else []
    return " ".join(["🖼️", sentence.format(count=most), *masked])


def _options(shown: ModelInfo) -> Iterator[str]:
    """The options by the names that commands show, with their values."""
    for idea in shown.ideas:
        option = shown.option(idea)
        if option is None or idea is Idea.SEED:
            continue
        named = [quoted(choice.name) for choice in shown.choices(idea)] if option.values else []
        more = f", +{len(named) - _VALUES_MAX}" if len(named) > _VALUES_MAX else ""
        values = comma_list(named[:_VALUES_MAX]) + more if named else span(option)
        yield f"`{commands.option(idea)}` {values}".rstrip()
    own = [code(name) for name in settable(shown) if name not in shown.ideas]
    if own:
        yield f"`{commands.option('more')}` {comma_list(own)}"
