"""A member may type the name that autocomplete shows instead of choosing it: in every option that completes itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.app import App
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.env.images import png
from tests.journeys.manager_steps import private_reply, rules_of

GOLDEN = Path(__file__).parents[2] / "cogs" / "golden" / "commands.json"
IDEAS = ("aspect_ratio", "steps", "guidance", "quality", "format", "resolution", "strength")
DEV = "flux-2-dev"
# In this order: command, option, the other options, what the bot answers.
STEPS: tuple[tuple[str, str, Mapping[str, Any], str], ...] = (
    ("style save", "model", {"name": "My ink", "suffix": "in ink"}, "Saved."),
    ("style save", "name", {"suffix": "in black ink"}, "Saved."),
    ("style show", "name", {}, "in black ink"),
    ("presets add", "model", {"emoji": "🦊", "name": "Fox face", "prompt": "a fox"}, "now runs Fox face"),
    ("presets remove", "preset", {}, "Removed Watercolour"),
    ("imageadmin price", "model", {"credits": 9}, "costs 9 credits here"),
    ("imageadmin rules remove", "entry", {}, "Cat"),
    ("imageadmin everyone", "models", {}, "**Everyone**"),
    ("imageadmin role", "models", {"role": "Artists"}, "<@&"),
    ("imageadmin models", "deny", {}, "Models for everyone"),
    ("imageadmin models", "allow", {}, "Models for everyone"),
)
ELSEWHERE = {*((command, option) for command in ("generate", "edit") for option in ("model", "style", *IDEAS))}
ELSEWHERE |= {("upscale", option) for option in ("model", "scale", "format")}
ELSEWHERE |= {("cancel", "image"), ("style delete", "name"), ("imageadmin deleted", "remove")}  # the last one in admin/test_gone.py


async def name_of(person: Person, command: str, option: str, /, **values: Any) -> str:
    """The name of the first choice, as somebody types who does not care for capitals and spaces."""
    offered = await person.autocomplete(command, option, **{option: "", **values})
    return f"{offered[0]['name'].upper()} ".replace(" ", "  ")[:100] if offered else ""


def completed(command: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    own = f"{path} {command['name']}".strip()
    for option in command.get("options") or ():
        if option["type"] in (1, 2):
            yield from completed(option, own)
        elif option.get("autocomplete"):
            yield own, option["name"]


def test_every_option_that_completes_itself_has_a_step() -> None:
    commands = json.loads(GOLDEN.read_text("utf-8"))
    assert {each for command in commands for each in completed(command)} == {(step[0], step[1]) for step in STEPS} | ELSEWHERE


async def test_the_shown_name_of_a_setting_is_taken(app: App, mo: Person) -> None:
    await mo.slash("imageadmin rules add", to="block", pattern="Cat[0-9]")
    for command, option, others, words in STEPS:
        named = await name_of(mo, command, option, **others)
        given = {name: mo.roles[value] if name == "role" else value for name, value in others.items()}
        await mo.slash(command, **{**given, option: named})
        await private_reply(mo, words)
    rules = await rules_of(app, mo)
    assert [each for each in rules.prompts.block.entries if each.startswith("Cat")] == []
    (style,) = (await app.services.members.preferences(int(mo.id))).styles
    assert style.name == "MY INK"
    await mo.slash("style delete", name=await name_of(mo, "style delete", "name"))
    await private_reply(mo, "Deleted.")


@pytest.mark.parametrize("command", ["generate", "edit"])
async def test_an_order_by_the_shown_names_is_taken(env: Env, ada: Person, command: str) -> None:
    await ada.slash("style save", name="My ink", suffix="in ink")
    chosen = {"prompt": "a fox", "model": await name_of(ada, command, "model", prompt="", model=DEV)}
    ideas = {idea: await name_of(ada, command, idea, prompt="", model=DEV) for idea in IDEAS}
    image = {"image": ada.upload("a.png", png(96, 64))} if command == "edit" else {}
    named = {idea: name for idea, name in ideas.items() if name}
    await ada.slash(command, **chosen, **named, **image, style=await name_of(ada, command, "style", prompt=""))
    await ada.message(has_image)
    (generation,) = await env.generations()
    assert ("in ink" in generation["prompt"], len(named) > 2) == (True, True)
    assert DEV in str(generation)


@pytest.mark.parametrize("model", ["", "topazlabs-image-upscale"])
async def test_an_upscale_by_the_shown_names_is_taken(env: Env, ada: Person, model: str) -> None:
    chosen = {"model": model} if model else {}
    named = {option: await name_of(ada, "upscale", option, **chosen) for option in (("scale", "format") if model else ("scale",))}
    named |= {"model": await name_of(ada, "upscale", "model", model=model)} if model else {}
    await ada.slash("upscale", image=ada.upload("a.png", png(96, 64)), **named)
    await ada.message(has_image)
    (generation,) = await env.generations()
    assert generation["output_format"] == "jpg" if model else generation["model_name"]


@pytest.mark.faults("generation-stuck")
async def test_an_open_image_is_cancelled_by_its_prompt_or_its_link(ada: Person) -> None:
    for count, prompt in enumerate(("a red fox", "a red owl"), 1):
        await ada.slash("generate", prompt=prompt)
        await ada.until(lambda count=count: len(ada.messages()) >= count or None)  # type: ignore[misc]
    await ada.slash("cancel", image="A red  FOX")
    await private_reply(ada, "Cancelling")
    await ada.slash("cancel", image="99999999999999999999")
    await private_reply(ada, "Choose one from the list")
    left = await ada.message(lambda m: "a red owl" in m.content and "Cancel" in m.buttons)
    await ada.slash("cancel", image=f"<https://ptb.discord.com/channels/1/{left.channel_id}/{left.id}?x=1>")
    await ada.until(lambda: not [message for message in ada.messages() if "Cancel" in message.buttons] or None)
