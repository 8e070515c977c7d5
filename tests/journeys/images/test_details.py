"""The panel that Details opens: an image's parent, siblings and children."""

from __future__ import annotations

from typing import Any

from bot.app import App
from bot.domain.job import JobKind, JobState, ReplyTarget
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.env.jobs import order_of
from tests.journeys.conftest import Ask, job_id_of
from tests.journeys.result_steps import press
from tests.services.conftest import eventually

LINEAGE = "v1:kin:"


async def edit(person: Person, message: Message, words: str, **fields: object) -> Message:
    """Edit an image with this prompt, and wait for the result."""
    await person.click(await person.message(lambda m: m.id == message.id and has_image(m)), "Edit")
    await person.submit(await person.modal(), prompt=words, **fields)
    return await person.message(lambda m: has_image(m) and words in m.content)


async def details(person: Person, message: Message) -> Message:
    """The panel behind the button Details."""
    seen = {m.id for m in person.messages()}
    await press(person, await person.message(lambda m: m.id == message.id and has_image(m)), "Details")
    return await person.message(lambda m: m.ephemeral and m.id not in seen and "**Prompt**" in m.text)


async def go(person: Person, panel: Message, words: str) -> Message:
    """Go to the relative with this prompt, in the same panel."""
    select = selects(panel)[0]
    value = next(option["value"] for option in select["options"] if words in option["label"])
    await person.select(panel, select["custom_id"], value)
    return await person.message(lambda m: m.id == panel.id and f"**Prompt** {words}" in m.text)


def selects(panel: Message) -> list[dict[str, Any]]:
    return [c for c in panel.components if str(c.get("custom_id", "")).startswith(LINEAGE)]


async def test_an_image_without_relatives_shows_no_lineage(ada: Person, asked: Ask) -> None:
    panel = await details(ada, await asked())
    assert "Family" not in panel.text
    assert selects(panel) == []


async def test_a_child_shows_its_parent_and_what_changed(ada: Person, asked: Ask) -> None:
    first = await asked(seed=5, steps="9")
    await ada.menu("Use as reference", first)
    await ada.message(lambda m: "Saved to your tray" in m.content)
    await ada.slash("edit", prompt="as a watercolour", model="flux-2-dev", steps="12", seed=7)
    second = await ada.message(lambda m: has_image(m) and "as a watercolour" in m.content)
    text = (await details(ada, second)).text
    assert "⬆️ **Edited from**\n“a red fox in the snow” by" in text
    assert first.id in text
    for change in ("model FLUX.2 Klein 4B → FLUX.2 [dev]", " · prompt · ", "`num_inference_steps` `9` → `12`", "seed `5` → `7`"):
        assert change in text


async def test_a_parent_lists_its_children_and_a_child_its_siblings(ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    child = await edit(ada, first, "as a watercolour")
    await edit(ben, first, "in winter")
    assert "⬇️ **2 edits of this image**" in (await details(ada, first)).text
    assert f"↔️ **1 other edit of the same image**\n“in winter” by <@{ben.id}>" in (await details(ada, child)).text


async def test_the_panel_goes_to_a_relative_and_back(ada: Person, asked: Ask) -> None:
    first = await asked()
    child = await edit(ada, first, "as a watercolour")
    grandchild = await edit(ada, child, "framed")
    panel = await go(ada, await details(ada, grandchild), "as a watercolour")
    panel = await go(ada, panel, "a red fox in the snow")
    await ada.click(panel, "Back to the first")
    panel = await ada.message(lambda m: m.id == panel.id and "**Prompt** framed" in m.text)
    assert list(panel.buttons) == []


async def test_private_images_of_others_are_only_counted(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await app.services.members.change(int(ben.id), lambda chosen: chosen.model_copy(update={"private": True}))
    secret = await edit(ben, first, "a secret")
    await edit(ada, first, "as a watercolour")
    theirs, own = (await details(ada, first)).text, (await details(ben, first)).text
    assert secret.ephemeral
    assert ("a secret" in theirs, "-# 1 more is private" in theirs, "**1 edit of this image**" in theirs) == (False, True, True)
    assert ("a secret" in own, "more is private" in own) == (True, False)


async def test_images_in_direct_messages_are_only_counted(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    first = await asked()
    await ada.menu("Use as reference", first)
    await ada.message(lambda m: "Saved to your tray" in m.content)
    alone = ReplyTarget(user_id=int(ada.id), channel_id=int(ada.channel("dm")))
    receipt = await app.services.orders.order(await order_of(app.services, "by night", alone, kind=JobKind.EDIT, from_tray=True))
    await app.services.orders.answered(receipt.job.id, None)
    await ada.message(lambda m: has_image(m) and "by night" in m.content, "dm")
    assert "by night" in (await details(ada, first)).text
    text = (await details(ben, first)).text
    assert ("by night" in text, "-# 1 more is private" in text) == (False, True)


async def test_a_deleted_image_is_no_relative(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    child = await edit(ada, first, "as a watercolour")

    async def taken_away() -> bool:
        return (await app.services.orders.job(job_id_of(child))).state is JobState.DELETED

    await press(ada, child, "Delete")
    await eventually(taken_away)
    assert "Family" not in (await details(ada, first)).text
