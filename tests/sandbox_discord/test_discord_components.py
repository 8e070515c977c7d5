"""Buttons, menus and forms."""

from __future__ import annotations

import pytest

from sandbox.person import Message, NotDoneError, Person

from .parrot import Parrot, png


async def _buttons(person: Person, **values: object) -> Message:
    await person.slash("buttons", **values)
    return await person.message(lambda m: bool(m.buttons))


async def test_a_dynamic_button_is_pressed(bot: Parrot, ada: Person) -> None:
    await ada.click(await _buttons(ada), "Again")
    assert (await ada.message(lambda m: "again" in m.content)).content == "again 7"


async def test_a_button_can_be_pressed_by_somebody_else(bot: Parrot, ada: Person, ben: Person) -> None:
    await ben.click(await _buttons(ada), "v1:again:7")
    assert (await ben.message(lambda m: "again" in m.content)).ephemeral
    assert len(ada.messages()) == 1


@pytest.mark.parametrize(
    ("button", "sentence"),
    [("Off", "That is switched off."), ("nothing", "That message has no such button or menu.")],
)
async def test_a_button_that_cannot_be_pressed_is_refused(bot: Parrot, ada: Person, button: str, sentence: str) -> None:
    with pytest.raises(NotDoneError, match=sentence):
        await ada.click(await _buttons(ada), button)


async def test_a_button_of_somebody_elses_ephemeral_message_is_refused(bot: Parrot, ada: Person, ben: Person) -> None:
    message = await _buttons(ada, quietly=True)
    with pytest.raises(NotDoneError, match=r"That message is not there\."):
        await ben.click(message, "Again")


async def test_a_choice_in_a_panel_changes_the_panel(bot: Parrot, ada: Person) -> None:
    await ada.slash("panel")
    panel = await ada.message(lambda m: m.text == "a panel")
    await ada.select(panel, "pick", "green")
    assert (await ada.message(lambda m: m.text == "picked green")).id == panel.id


async def test_a_button_whose_answer_is_put_off_changes_its_message_later(bot: Parrot, ada: Person) -> None:
    await ada.slash("panel")
    panel = await ada.message(lambda m: m.text == "a panel")
    await ada.click(panel, "Later")
    assert (await ada.message(lambda m: m.text == "later")).id == panel.id


async def test_a_choice_that_is_not_offered_is_refused(bot: Parrot, ada: Person) -> None:
    await ada.slash("panel")
    with pytest.raises(NotDoneError, match=r"That is not among the choices\."):
        await ada.select(await ada.message(lambda m: m.text == "a panel"), "pick", "mauve")


async def test_a_form_goes_round_with_text_choice_and_files(bot: Parrot, ada: Person) -> None:
    await ada.slash("form")
    modal = await ada.modal()
    await ada.submit(modal, words="two words", colour=["blue"], files=[ada.upload("a.png", png()), ada.upload("b.png", png(8, 8))])
    answer = await ada.message(lambda m: m.content.startswith("two words"))
    assert answer.content == f"two words ['blue'] [{len(png())}, {len(png(8, 8))}]"
    assert ada.modals == []


async def test_a_field_that_is_not_required_may_be_left_out(bot: Parrot, ada: Person) -> None:
    await ada.slash("form")
    await ada.submit(await ada.modal(), words="words", colour=["red"])
    assert (await ada.message(lambda m: "words" in m.content)).content == "words ['red'] []"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"words": "x", "colour": ["red"]}, "words must have 2 to 4000 characters."),
        ({"words": "words", "colour": []}, "Choose exactly 1."),
        ({"words": "words", "colour": ["red"], "more": "x"}, "The form has no field more."),
    ],
)
async def test_a_form_filled_wrongly_is_refused_and_stays_open(bot: Parrot, ada: Person, fields: dict[str, object], sentence: str) -> None:
    await ada.slash("form")
    modal = await ada.modal()
    with pytest.raises(NotDoneError, match=sentence):
        await ada.submit(modal, **fields)
    assert ada.modals == [modal]


async def test_a_form_can_be_dismissed_and_not_sent_afterwards(bot: Parrot, ada: Person) -> None:
    await ada.slash("form")
    modal = await ada.modal()
    await ada.dismiss(modal)
    await ada.until(lambda: not ada.modals)
    with pytest.raises(NotDoneError, match=r"That form is not open\."):
        await ada.submit(modal, words="words", colour=["red"])
