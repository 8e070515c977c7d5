"""Setup: one panel that walks through the steps, and the same steps opened from the panel of all settings.

What a press leads to stands in its id, so nothing is stored between the steps, and everything chosen is in force at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import discord
from discord.ui import Separator

from bot.core import commands
from bot.core.i18n import _, pgettext
from bot.domain.guild.document import Policy
from bot.domain.permissions import Action, check
from bot.domain.request import Request
from cogs.admin import panel_texts, posted, settings_texts
from cogs.admin.changing import Patch, change, consequences
from cogs.admin.setup.controls import ActionButton, FormButton, SettingControl, StepContext, may, too_old
from cogs.admin.setup.ids import ASK, CHOOSE, FORM, OPEN, PANEL, ROLE, SET, SHOW, START, UNDO, Mode
from cogs.admin.setup.menus import ManyMenu
from cogs.admin.setup.step import SetupStep, operators_word
from cogs.admin.setup.steps import SECTIONS, STEPS, WALK
from cogs.kit import answers, panels
from cogs.kit.panels import Part, button, panel, row, text
from cogs.kit.request import Interaction, services_of
from cogs.kit.router import Router

router = Router()

DONE: Final = "done"  # the page after the last step
_BUTTONS_MAX = 5  # in a row
_NOW_MAX = 1800  # characters of a step's current value
_DONE_MAX = 1200  # characters of what a button did


async def begin(request: Request, interaction: Interaction) -> None:
    """Send the first step, for the manager alone."""
    check(request, Action.MANAGE)
    await panels.show(interaction, await _page(request, interaction, Mode.WALK, WALK[0]))


def menus(section: str) -> Part:
    """The menu that opens the steps of a section of the panel."""
    options = [
        discord.SelectOption(label=step.title(), value=step.key, emoji=step.emoji) for step in (STEPS[key] for key in SECTIONS[section])
    ]
    placeholders = {
        "money": pgettext("select placeholder", "Change money"),
        "images": pgettext("select placeholder", "Change images"),
        "moderation": pgettext("select placeholder", "Change moderation"),
        "rules": pgettext("select placeholder", "Change rules"),
        "more": pgettext("select placeholder", "Change more"),
    }
    return row(discord.ui.Select(custom_id=OPEN(section=section), placeholder=placeholders[section], options=options))


# --- presses ---------------------------------------------------------------------------------------------------------


@router.press(START)
async def start(request: Request, interaction: Interaction, **_from: Any) -> None:
    """Handle the button of the message after joining a server, which everyone there may see."""
    await begin(request, interaction)


@router.press(SHOW)
async def show(request: Request, interaction: Interaction, *, mode: Mode, step: str, role: int | None) -> None:
    """Go to a step."""
    check(request, Action.MANAGE)
    await panels.redraw(interaction, await _page(request, interaction, mode, step, role_id=role))


@router.select(OPEN)
async def open_step(request: Request, interaction: Interaction, values: Sequence[str], **_section: Any) -> None:
    """Open a step from the panel."""
    check(request, Action.MANAGE)
    await panels.redraw(interaction, await _page(request, interaction, Mode.PANEL, next(iter(values), "")))


@router.select(ROLE)
async def choose_role(
    request: Request, interaction: Interaction, values: Sequence[str], *, mode: Mode, step: str, role: int | None
) -> None:
    """Show the limits of this role."""
    check(request, Action.MANAGE)
    role = next((int(value) for value in values if value.isdecimal()), role)
    await panels.redraw(interaction, await _page(request, interaction, mode, step, role_id=role))


@router.select(CHOOSE)
async def choose(request: Request, interaction: Interaction, values: Sequence[str], *, control: str, **where: Any) -> None:
    """Set what was chosen in a menu."""
    await _set(request, interaction, values, control=control, **where)


@router.press(SET)
async def turn(request: Request, interaction: Interaction, *, control: str, value: str, **where: Any) -> None:
    """Set the state that the button's id names."""
    await _set(request, interaction, [value], control=control, **where)


@router.press(ASK, defers=False)
async def ask(request: Request, interaction: Interaction, *, control: str, **where: Any) -> None:
    """Open a form with the current values."""
    check(request, Action.MANAGE)
    place = await _place(request, interaction, **where)
    form, _page_number = _control(place, control)
    if not isinstance(form, FormButton):
        raise too_old()
    await interaction.response.send_modal(form.modal(place, FORM(**place.ids, control=control)))


@router.form(FORM)
async def fill(request: Request, interaction: Interaction, given: Mapping[str, Any], *, control: str, **where: Any) -> None:
    """Set what was typed."""
    check(request, Action.MANAGE)
    place = await _place(request, interaction, **where)
    form, _page_number = _control(place, control)
    if not isinstance(form, FormButton):
        raise too_old()
    await _change(place, lambda here: form.filled(here, given))


@router.press(UNDO)
async def undo(request: Request, interaction: Interaction, *, setting: str, channel: int | None) -> None:
    """Set the channel of before a change."""
    check(request, Action.MANAGE)
    kind, value = posted.POSTS[setting], None if channel is None else posted.postable_id(interaction.guild, channel)
    (name,) = kind.path
    now = await change(request, interaction, {name: value})
    text_of = {"log": settings_texts.log, "cases": settings_texts.cases}[setting]
    await answers.update(interaction, content=text_of(now.policy), view=None)


async def _set(request: Request, interaction: Interaction, values: Sequence[str], *, control: str, **where: Any) -> None:
    check(request, Action.MANAGE)
    place = await _place(request, interaction, **where)
    used, page = _control(place, control)
    if isinstance(used, ActionButton):
        now, done = await used.run(request, interaction)
        said = [panel_texts.cut(done, _DONE_MAX)]
        await panels.redraw(interaction, await _page(now, interaction, place.mode, place.step, said=said))
        return

    def patch(here: StepContext) -> Patch:
        return used.patch_page(here, values, page) if isinstance(used, ManyMenu) else used.patch(here, values)

    await _change(place, patch)


async def _change(place: StepContext, patch: Any) -> None:
    """Change the settings and show the step again, with what that means at once."""
    before = place.request

    def in_transaction(policy: Policy) -> Patch:
        settings = before.settings.model_copy(update={"policy": policy})
        patched: Patch = patch(replace(place, request=replace(before, settings=settings)))
        return patched

    now = await change(before, place.interaction, in_transaction)
    said = await consequences(now, place.interaction, before=before.policy)
    role = place.role_id if place.role_id in now.policy.roles or place.role_id not in before.policy.roles else None
    await panels.redraw(place.interaction, await _page(now, place.interaction, place.mode, place.step, role_id=role, said=said))


async def _place(request: Request, interaction: Interaction, *, mode: Mode, step: str, role: int | None = None) -> StepContext:
    if step not in (WALK if mode is Mode.WALK else STEPS):
        raise too_old()
    overview = await services_of(interaction).admin.overview(request)
    return StepContext(request=request, interaction=interaction, overview=overview, mode=mode, step=step, role_id=role)


def _control(place: StepContext, name: str) -> tuple[SettingControl, int]:
    """The control of this name and its page. Raises `NotFound` for one that is not shown any more."""
    bare = name.rstrip("0123456789")
    found = next((each for each in _controls(place) if each.name == bare), None)
    if found is None:
        raise too_old()
    return found, int(name[len(bare) :] or 0)


def _controls(place: StepContext) -> list[SettingControl]:
    step = STEPS[place.step]
    if step.of_role and place.role_id is None:
        return []
    return [each for each in step.controls if may(place, each.needs) and each.shown(place)]


# --- pages -----------------------------------------------------------------------------------------------------------


async def _page(
    request: Request, interaction: Interaction, mode: Mode, key: str, *, role_id: int | None = None, said: Sequence[str] = ()
) -> discord.ui.LayoutView:
    if key == DONE:
        return await _summary(request, interaction)
    place = await _place(request, interaction, mode=mode, step=key, role=role_id)
    step = STEPS[key]
    standing = posted.warnings(interaction.guild, request.policy, step.posts)
    warned = [*standing, *(line for line in said if line not in standing)]
    words = [operators_word(each) for each in dict.fromkeys(step.needs) if not may(place, each)]
    now = panel_texts.cut(panel_texts.without_mentions(step.now(place), request.settings), _NOW_MAX)
    return panel(
        text(_progress(place), f"## {step.emoji} {step.title()}", step.about()),
        text("**" + _("Now") + "**", now, *words),
        *([text(*warned)] if warned else []),
        *_rows(place, step),
        Separator(),
        row(*_ways(place)),
    )


def _progress(place: StepContext) -> str:
    if place.mode is Mode.PANEL:
        return ""
    return "-# " + _("Set up Easel · step {step} of {all}").format(step=WALK.index(place.step) + 1, all=len(WALK))


def _rows(place: StepContext, step: SetupStep) -> list[Part]:
    """Menus one below the other, then the buttons."""
    parts = [part for control in _controls(place) for part in control.parts(place)]
    buttons = [part for part in parts if isinstance(part, discord.ui.Button)]
    menus_ = [row(part) for part in parts if not isinstance(part, discord.ui.Button)]
    if step.of_role:
        menus_.insert(0, row(_role_menu(place)))
    return [*menus_, *(row(*buttons[start : start + _BUTTONS_MAX]) for start in range(0, len(buttons), _BUTTONS_MAX))]


def _role_menu(place: StepContext) -> Part:
    role = place.guild.get_role(place.role_id) if place.guild and place.role_id else None
    placeholder = pgettext("select placeholder", "Choose a role")
    return discord.ui.RoleSelect(custom_id=ROLE(**place.ids), placeholder=placeholder, default_values=[role] if role else [])


def _ways(place: StepContext) -> list[Part]:
    """Where to go from here."""
    if place.mode is Mode.PANEL:
        return [button(pgettext("button", "Back to all settings"), PANEL(step=place.step), emoji="⬅️")]
    at = WALK.index(place.step)
    back = button(pgettext("button", "Back"), _to(WALK[at - 1]) if at else _to(place.step), emoji="⬅️", disabled=not at)
    is_last = at + 1 == len(WALK)
    onward = pgettext("button", "Done") if is_last else pgettext("button", "Next")
    ways = [back, button(onward, _to(DONE if is_last else WALK[at + 1]), style=discord.ButtonStyle.primary)]
    return ways if is_last else [*ways, button(pgettext("button", "Finish later"), _to(DONE))]


def _to(key: str) -> str:
    return SHOW(mode=Mode.WALK, step=key, role=None)


async def _summary(request: Request, interaction: Interaction) -> discord.ui.LayoutView:
    """What holds now, and three things to try."""
    policy, overview = request.policy, await services_of(interaction).admin.overview(request)
    facts = [
        settings_texts.paused(policy),
        f"💰 {panel_texts.budget_now(overview).partition(chr(10))[0]}",
        f"📍 {settings_texts.channels(policy)}",
        f"🛡️ {settings_texts.cases(policy)}",
        f"⭐ {settings_texts.gallery(policy)}",
        settings_texts.rules(policy),
    ]
    now = panel_texts.cut(panel_texts.without_mentions("\n".join(facts), request.settings), _NOW_MAX)
    warned = posted.warnings(interaction.guild, policy)
    return panel(
        text("## " + _("Easel is ready"), now),
        *([text(*warned)] if warned else []),
        text("**" + _("Three things to try") + "**", *_ideas()),
        Separator(),
        row(
            button(pgettext("button", "Back"), _to(WALK[-1]), emoji="⬅️"),
            button(pgettext("button", "All settings"), PANEL(step=DONE), emoji="⚙️"),
        ),
    )


def _ideas() -> list[str]:
    ideas = (
        _("{generate} creates an image from your prompt.").format(generate=commands.mention("generate")),
        _("Press Edit below an image to change it, or react to it with 🎨."),
        _("React to an image with 🚩: that opens a case for your moderators."),
    )
    return [f"{number}. {idea}" for number, idea in enumerate(ideas, 1)]
