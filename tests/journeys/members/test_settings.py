"""/settings: a member's choices are defaults, which command options override."""

from __future__ import annotations

from typing import Any

import pytest

from bot.app import App
from bot.core.errors import NotFound
from bot.domain.preferences import Preferences
from cogs.members.settings import _changed
from sandbox.person import Message, NotDoneError, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import Ask
from tests.journeys.manager_steps import private_reply

DEV, NINE = "flux-2-dev", "black-forest-labs-flux-2-klein-9b"


async def opened(person: Person, channel: str = "studio") -> Message:
    await person.slash("settings", channel)
    return await person.message(lambda m: "Your settings" in m.text, channel)


async def after(person: Person, panel: Message, text: str, channel: str = "studio") -> Message:
    """The panel, once it contains these words."""
    return await person.message(lambda m: m.id == panel.id and (text in m.text or text in m.buttons), channel)


def control(panel: Message, what: str) -> dict[str, Any]:
    return next(c for c in panel.components if c.get("custom_id") == f"v1:settings:{what}")


def preset(panel: Message, what: str) -> list[str]:
    return [option["value"] for option in control(panel, what)["options"] if option.get("default")]


async def test_settings_are_private_and_show_the_models_with_their_prices(ada: Person) -> None:
    panel = await opened(ada)
    assert panel.ephemeral
    offers = {option["label"]: option.get("description") for option in control(panel, "model")["options"]}
    assert offers["FLUX.2 [dev]"] == "3 credits per image"
    assert (preset(panel, "model"), preset(panel, "shape"), preset(panel, "consent")) == (["-"], ["-"], ["everyone"])


async def test_the_chosen_model_and_shape_are_used(env: Env, ada: Person, asked: Ask) -> None:
    panel = await opened(ada)
    await ada.select(panel, "v1:settings:model", DEV)
    panel = await ada.message(lambda m: m.id == panel.id and preset(m, "model") == [DEV])
    await ada.select(panel, "v1:settings:shape", "3:2")
    await ada.message(lambda m: m.id == panel.id and preset(m, "shape") == ["3:2"])
    await asked()
    (made,) = await env.generations()
    assert (made["model_name"], made["aspect_ratio"]) == (DEV, "3:2")


async def test_an_option_overrides_a_setting(env: Env, ada: Person, asked: Ask) -> None:
    panel = await opened(ada)
    await ada.select(panel, "v1:settings:model", DEV)
    await ada.message(lambda m: m.id == panel.id and preset(m, "model") == [DEV])
    await asked(model=NINE)
    assert [made["model_name"] for made in await env.generations()] == [NINE]


async def test_private_and_spoiler_settings_are_defaults_of_generate(ada: Person) -> None:
    panel = await opened(ada)
    await ada.click(panel, "Private: off")
    await ada.click(await after(ada, panel, "Private: on"), "Spoiler: off")
    await after(ada, panel, "Spoiler: on")
    await ada.slash("generate", prompt="a red fox")
    hidden = await ada.message(has_image)
    assert (hidden.ephemeral, hidden.attachments[0]["filename"].startswith("SPOILER_")) == (True, True)
    await ada.slash("generate", prompt="a blue cat", private=False, spoiler=False)
    shown = await ada.message(lambda m: has_image(m) and "blue cat" in m.content)
    assert (shown.ephemeral, shown.attachments[0]["filename"].startswith("SPOILER_")) == (False, False)


async def test_a_switch_that_is_on_is_turned_off_again(ada: Person) -> None:
    panel = await opened(ada)
    await ada.click(panel, "DM: off")
    await ada.click(await after(ada, panel, "DM: on"), "DM: on")
    await after(ada, panel, "DM: off")


async def test_tell_me_when_done_sends_a_direct_message(ada: Person, asked: Ask) -> None:
    panel = await opened(ada)
    await ada.click(panel, "DM: off")
    await after(ada, panel, "DM: on")
    made = await asked()
    await ada.message(lambda m: made.id in m.content, "dm")


async def test_nobody_may_edit_the_images_of_a_member_who_forbids_it(ada: Person, ben: Person, asked: Ask) -> None:
    made = await asked()
    panel = await opened(ada)
    await ada.select(panel, "v1:settings:consent", "nobody")
    await after(ada, panel, "Nobody else can edit")
    await ben.click(await ben.message(lambda m: m.id == made.id), "Edit")
    assert "doesn't let you edit" in (await ben.message(lambda m: m.ephemeral)).content


async def test_members_of_the_chosen_role_may_edit(app: App, ada: Person, ben: Person, mo: Person, asked: Ask) -> None:
    made = await asked()
    panel = await opened(ada)
    await ada.select(panel, "v1:settings:consent", "role")
    panel = await after(ada, panel, "Choose a role. Until then")
    await ada.select(panel, "v1:settings:role", ada.hello["guild"]["id"])
    await private_reply(ada, "Everyone has the role @everyone.")
    await ada.select(panel, "v1:settings:role", ada.roles["Artists"])
    await after(ada, panel, f"<@&{ada.roles['Artists']}>")
    seen = await ben.message(lambda m: m.id == made.id)
    await ben.click(seen, "Edit")
    assert "doesn't let you edit" in (await ben.message(lambda m: m.ephemeral)).content
    await mo.role("Ben", "Artists")
    await ben.click(seen, "Edit")
    await ben.modal()
    await mo.delete_role("Artists")
    await app.client.wait_until_ready()
    await opened(ada, "dm")
    await ada.message(lambda m: "The role you chose was deleted" in m.text, "dm")


@pytest.mark.parametrize("channel", ["dm", "elsewhere", "private"])
async def test_a_role_is_offered_only_in_a_server(ada: Person, channel: str) -> None:
    panel = await opened(ada, channel)
    values = [option["value"] for option in control(panel, "consent")["options"]]
    assert values == (["everyone", "role", "nobody"] if channel == "elsewhere" else ["everyone", "nobody"])
    await ada.click(panel, "Private: off")
    await after(ada, panel, "Private: on", channel)


async def paged(person: Person, panel: Message, start: str) -> Message:
    """The panel once its menu shows the models from this one on."""
    await person.select(panel, "v1:settings:model", start)
    return await person.message(lambda m: m.id == panel.id and repr(start) not in str(m.raw))


async def test_more_models_than_a_menu_holds_are_paged(env: Env) -> None:
    models = ", ".join(f'{{"id": "model-{n:02d}", "sizes": ["512x512"]}}' for n in range(40))
    endpoint = f'[{{"name": "local", "base_url": "{env.images.openai_url}", "price_credits": 1, "models": [{models}]}}]'
    async with env.app(OPENAI_ENDPOINTS=endpoint), Person.connect(env.discord.url, "Ada") as ada:
        await ada.until(lambda: (ada.bot_online and "settings" in ada.commands) or None)
        panel = await opened(ada)
        further = await paged(ada, await paged(ada, panel, "+23"), "+46")
        await ada.select(further, "v1:settings:model", "model-39")
        chosen = await ada.message(lambda m: m.id == panel.id and preset(m, "model") == ["model-39"])
        assert len(control(chosen, "model")["options"]) == 25


async def test_an_invalid_choice_is_refused_by_discord(ada: Person) -> None:
    panel = await opened(ada)
    with pytest.raises(NotDoneError):
        await ada.select(panel, "v1:settings:model", "no-such-model")


def test_a_choice_that_there_is_no_longer_is_refused() -> None:
    with pytest.raises(NotFound, match="too old"):
        _changed(Preferences(), {"consent": "friends"})
