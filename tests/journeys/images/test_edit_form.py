"""The modal that asks for an edit: what it offers and accepts, also after a restart."""

from __future__ import annotations

from bot.app import App
from sandbox.person import Message, Modal, Person
from tests.env.app import Env, has_image, person_in
from tests.journeys.conftest import Ask, written_down
from tests.journeys.manager_steps import private_reply

DEV = "flux-2-dev"
KLEIN = "black-forest-labs-flux-2-klein-4b"


async def opened(person: Person, message: Message) -> Modal:
    """The form behind the button Edit, or behind the menu of a message with several images, which has no such button."""
    await (person.click(message, "Edit") if "Edit" in message.buttons else person.menu("Edit with Easel", message))
    return await person.modal()


async def edited(person: Person, words: str) -> Message:
    """The finished message of an edit with this prompt."""
    return await person.message(lambda m: has_image(m) and words in m.content)


def models_in(modal: Modal) -> dict[str, dict[str, object]]:
    return {option["value"]: option for option in modal.control("model")["options"]}


async def choose(app: App, person: Person, **choices: object) -> None:
    await app.services.members.change(int(person.id), lambda chosen: chosen.model_copy(update=choices))


# --- what it offers --------------------------------------------------------------------------------------------------


async def test_the_form_has_no_more_rows_than_discord_allows(ada: Person, asked: Ask) -> None:
    one, several = await opened(ada, await asked()), await opened(ada, await asked(count=2))
    assert (len(one.components), len(several.components)) == (5, 5)


async def test_each_model_is_offered_with_its_price_and_the_balance(ada: Person, asked: Ask) -> None:
    offers = models_in(await opened(ada, await asked()))
    assert offers[KLEIN]["description"] == "1.4 credits per image · you have 998.6"
    assert offers[KLEIN]["default"] is True


async def test_a_model_that_costs_more_than_the_balance_says_so(env: Env) -> None:
    async with env.app(QUOTA_CREDITS="2", QUOTA_REFILL_PER_DAY="0"), person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        offers = models_in(await opened(ada, await ada.message(has_image)))
        assert offers[KLEIN]["description"] == "1.4 credits per image · you only have 0.6"


async def test_only_models_that_take_references_are_offered(env: Env) -> None:
    async with env.app(settings=env.oxlo) as app, person_in(env, "Ada") as ada:
        await ada.slash("generate", prompt="a red fox")
        offered = set(models_in(await opened(ada, await ada.message(has_image))))
        assert offered == {model.id for model in app.models.offered if model.edits and not model.upscales}
        assert "flux.1-schnell" not in offered


async def test_only_the_options_of_the_model_are_offered(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    klein = await opened(ada, first)
    shapes = [each["label"] for each in klein.control("option-aspect_ratio")["options"]]
    assert shapes[:3] == ["Like the image", "1:1 (square)", "16:9 (wide)"]
    assert [each["value"] for each in klein.control("option-quality")["options"]] == ["-", "standard", "high"]
    await choose(app, ada, default_model="gpt-image-2")
    prices = {each["label"]: each.get("description") for each in (await opened(ada, first)).control("option-resolution")["options"]}
    assert prices["As the model does: 2K"] == prices["2K"] != prices["4K"]


async def test_the_member_s_default_model_is_chosen(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await choose(app, ada, default_model=DEV)
    assert models_in(await opened(ada, first))[DEV]["default"] is True


# --- what it takes ---------------------------------------------------------------------------------------------------


async def test_the_selected_image_is_edited(env: Env, ada: Person, asked: Ask) -> None:
    first = await asked(count=3)
    await ada.submit(await opened(ada, first), prompt="as a watercolour", picture=["2"])
    await edited(ada, "as a watercolour")
    assert first.attachments[2]["filename"] in str((await env.generations())[3]["input_image"])


async def test_an_edit_names_its_parent_and_which_of_its_images(app: App, ada: Person, asked: Ask) -> None:
    first = await asked(count=3)
    await ada.submit(await opened(ada, first), prompt="as a watercolour", picture=["2"])
    parent, child = await written_down(app, first), await written_down(app, await edited(ada, "as a watercolour"))
    assert (child.parent_id, child.parent_n, child.origin_message_id) == (parent.id, 2, int(first.id))


async def test_what_was_chosen_is_sent_and_the_rest_is_left_to_the_model(env: Env, app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await choose(app, ada, default_model=DEV)
    await ada.submit(await opened(ada, first), prompt="at night", **{"option-aspect_ratio": ["3:2"]})
    await edited(ada, "at night")
    made = (await env.generations())[1]
    assert (made["aspect_ratio"], "resolution" in made) == ("3:2", False)


async def test_a_choice_that_another_model_lacks_is_refused_and_the_next_form_offers_what_that_one_has(ada: Person, asked: Ask) -> None:
    modal = await opened(ada, await asked())
    await ada.submit(modal, prompt="at night", model=["qwen-image-edit"], **{"option-quality": ["high"]})
    told = await private_reply(ada, "has no option called quality")
    await ada.click(told, "Change and try again")
    again = await ada.modal()
    assert (again.control("prompt")["value"], "option-quality" in str(again.components)) == ("at night", False)
    assert models_in(again)["qwen-image-edit"]["default"] is True
    await ada.submit(again)
    await edited(ada, "at night")


async def test_further_references_follow_the_image(env: Env, ada: Person, asked: Ask) -> None:
    first = await asked()
    more = ada.upload("more.png", await ada.fetch(first.attachments[0]["url"]))
    await ada.submit(await opened(ada, first), prompt="both", references=[more])
    await edited(ada, "both")
    assert len(str((await env.generations())[1]["input_image"]).split(",")) == 2


async def test_the_private_setting_holds_for_edits(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await choose(app, ada, private=True)
    await ada.submit(await opened(ada, first), prompt="for me alone")
    assert (await edited(ada, "for me alone")).ephemeral


async def test_the_edit_of_a_spoiler_is_a_spoiler(ada: Person, asked: Ask) -> None:
    await ada.submit(await opened(ada, await asked(spoiler=True)), prompt="at night")
    assert (await edited(ada, "at night")).attachments[0]["filename"].startswith("SPOILER_")


async def test_an_image_whose_message_is_gone_is_edited_from_the_history(app: App, ada: Person, mo: Person, asked: Ask) -> None:
    first = await asked(count=2)
    await written_down(app, first)
    await mo.delete(await mo.message(lambda m: m.id == first.id))
    await ada.slash("history")
    panel = await ada.message(lambda m: m.ephemeral and m.components)
    pick = next(c for c in panel.components if str(c.get("custom_id", "")).startswith("v1:history:pick"))
    await ada.select(panel, pick["custom_id"], pick["options"][0]["value"])
    await ada.click(await ada.message(lambda m: m.id == panel.id and "Edit" in m.buttons), "Edit")
    await ada.submit(await ada.modal(), prompt="as a watercolour", picture=["1"])
    child = await written_down(app, await edited(ada, "as a watercolour"))
    assert (child.parent_id, child.parent_n) == (pick["options"][0]["value"], 1)


# --- a restart while it is open --------------------------------------------------------------------------------------


async def test_a_form_open_during_a_restart_is_accepted(env: Env) -> None:
    async with Person.connect(env.discord.url, "Ada") as ada:
        async with env.app():
            await ada.until(lambda: (ada.bot_online and "generate" in ada.commands) or None)
            await ada.slash("generate", prompt="a red fox")
            old = await ada.message(has_image)
            await ada.menu("Edit with Easel", old)
            modal = await ada.modal()
        async with env.app():
            await ada.until(lambda: ada.bot_online or None)
            await ada.submit(modal, prompt="in winter", **{"option-quality": ["high"]})
            await edited(ada, "in winter")
    assert (await env.generations())[1]["output_quality"] == "high"


async def test_an_expired_form_says_so(app: App, ada: Person, asked: Ask) -> None:
    modal = await opened(ada, await asked())
    await app.services.orders.keep(f"form:{modal.interaction_id}", None)
    await ada.submit(modal, prompt="too late")
    assert "Start again" in (await ada.message(lambda m: m.ephemeral)).content
