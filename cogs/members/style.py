"""/style: prompt words and options that a member saves under a name."""

from __future__ import annotations

from discord import app_commands
from discord.ext import commands

from bot.core.errors import InvalidRequest, NotFound
from bot.core.i18n import _
from bot.domain.catalog.ideas import Idea
from bot.domain.catalog.models import ModelInfo
from bot.domain.catalog.options import comma_list, show
from bot.domain.catalog.params import MAX_MORE, build_params, pairs
from bot.domain.catalog.purposes import check_purpose
from bot.domain.job import JobKind
from bot.domain.preferences import STYLE_NAME_MAX, STYLE_TEXT_MAX, STYLES_MAX, Preferences, Style
from cogs.kit import autocomplete, interactions, panels
from cogs.kit.panels import everywhere
from cogs.kit.request import Interaction, request_of, services_of
from cogs.kit.texts import quoted
from cogs.members import style_texts

Name = app_commands.Range[str, 1, STYLE_NAME_MAX]
Words = app_commands.Range[str, 1, STYLE_TEXT_MAX]


@everywhere
class Styles(commands.GroupCog, group_name="style", group_description="Manage text and options you use often"):
    """The commands of /style. Styles are part of a member's preferences."""

    @app_commands.command(description="Save a style, or replace one")
    @app_commands.describe(
        name="Name of the style",
        prefix="Text to add before the prompt",
        suffix="Text to add after the prompt",
        model="Model to use",
        options="As name=value, such as aspect_ratio=16:9 steps=8",
    )
    @app_commands.autocomplete(name=autocomplete.style, model=autocomplete.model)
    async def save(
        self,
        interaction: Interaction,
        name: Name,
        prefix: Words = "",
        suffix: Words = "",
        model: app_commands.Range[str, 1, 100] | None = None,
        options: app_commands.Range[str, 1, MAX_MORE] = "",
    ) -> None:
        request = await request_of(interaction)
        info = _model(interaction, model, request.preferences)
        style = Style(
            name=_name(name),
            prefix=prefix.strip(),
            suffix=suffix.strip(),
            model=info.id if model else None,
            options={str(idea): value for idea, value in _options(info, options).items()},
        )
        if not (style.prefix or style.suffix or style.model or style.options):
            raise InvalidRequest(_("A style needs a prefix, a suffix, a model or options."))
        await services_of(interaction).members.change(request.actor.user_id, lambda now: _with(now, style))
        done = _("Saved. Choose it with the `style` option of /generate and /edit.")
        await interactions.say(interaction, f"🖌️ {done}")

    @app_commands.command(description="List your styles")
    async def list(self, interaction: Interaction) -> None:
        request = await request_of(interaction)
        listed = style_texts.listed(request.preferences.styles, services_of(interaction).orders.models.title)
        await panels.show(interaction, panels.panel(panels.text(listed)))

    @app_commands.command(description="Show one of your styles")
    @app_commands.describe(name="Choose from the list")
    @app_commands.autocomplete(name=autocomplete.style)
    async def show(self, interaction: Interaction, name: Name) -> None:
        request = await request_of(interaction)
        style = _named(request.preferences, name)
        await panels.show(interaction, panels.panel(panels.text(style_texts.shown(style, services_of(interaction).orders.models.title))))

    @app_commands.command(description="Delete one of your styles")
    @app_commands.describe(name="Choose from the list")
    @app_commands.autocomplete(name=autocomplete.style)
    async def delete(self, interaction: Interaction, name: Name) -> None:
        request = await request_of(interaction)
        await services_of(interaction).members.change(request.actor.user_id, lambda now: _without(now, name))
        await interactions.say(interaction, "🗑️ " + _("Deleted."))


def _name(given: str) -> str:
    if not given.strip():
        raise InvalidRequest(_("Give the style a name."))
    return " ".join(given.split())


def _model(interaction: Interaction, given: str | None, chosen: Preferences) -> ModelInfo:
    """The model that the options are checked against: the style's own, else the member's or the bot's default."""
    orders = services_of(interaction).orders
    own = next((model.id for model in orders.models.offered if model.id == chosen.default_model and not model.upscales), None)
    found = orders.models.catalog.get(given or own or orders.default_model)
    check_purpose(found, JobKind.GENERATE)
    return found


def _options(model: ModelInfo, text: str) -> dict[Idea, str]:
    """Options by their names in /generate. Raises `InvalidRequest` for an unknown option or a value that the model does not take."""
    own = {option.name: idea for idea in Idea if idea is not Idea.SEED and (option := model.option(idea))}
    known = {**own, **{str(idea): idea for idea in own.values()}}
    options: dict[Idea, str] = {}
    for name, value in pairs(text):
        if name not in known:
            sentence = _("A style for {model} can't set {name}. It can set {names}.")
            raise InvalidRequest(
                sentence.format(model=quoted(model.title), names=comma_list([str(idea) for idea in own.values()]), name=quoted(show(name)))
            )
        options[known[name]] = value
    build_params(model, options)
    return options


def _with(chosen: Preferences, style: Style) -> Preferences:
    others = tuple(each for each in chosen.styles if each.name.casefold() != style.name.casefold())
    if len(others) >= STYLES_MAX:
        raise InvalidRequest(_("You already have {count} styles, which is the limit. Delete one first.").format(count=len(others)))
    return chosen.model_copy(update={"styles": (*others, style)})


def _without(chosen: Preferences, name: str) -> Preferences:
    deleted = _named(chosen, name)
    return chosen.model_copy(update={"styles": tuple(each for each in chosen.styles if each != deleted)})


def _named(chosen: Preferences, name: str) -> Style:
    style = chosen.style(name)
    if style is None:
        raise NotFound(_("You have no style called {name}. Use `/style list` to see yours.").format(name=quoted(show(name))))
    return style
