"""Whose consent an edit needs, and when it is asked for."""

from __future__ import annotations

import pytest

from bot.app import App
from bot.core.errors import NotAllowed
from bot.domain.job import JobKind, ReplyTarget
from bot.domain.preferences import Consent
from sandbox.person import Message, Person
from tests.env.app import has_image, statement_of
from tests.env.jobs import order_of
from tests.journeys.conftest import Ask

REFUSED = "doesn't let you edit their images"


async def consent(app: App, person: Person, who: Consent, role: str | None = None) -> None:
    """Set who may edit a person's images."""
    change = {"consent": who, "consent_role_id": int(person.roles[role]) if role else None}
    await app.services.members.change(int(person.id), lambda chosen: chosen.model_copy(update=change))


async def seen(person: Person, message: Message) -> Message:
    """The same message, as this person sees it."""
    return await person.message(lambda m: m.id == message.id and has_image(m))


async def is_refused(person: Person, app: App) -> None:
    """Wait for an ephemeral refusal, with nothing held or charged."""
    await person.message(lambda m: m.ephemeral and REFUSED in m.content)
    statement = await statement_of(app, int(person.id))
    assert (statement.held, statement.spent) == (0, 0)


async def test_a_form_opened_before_is_refused_when_sent(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await ben.click(await seen(ben, await asked()), "Edit")
    await consent(app, ada, Consent.NOBODY)
    await ben.submit(await ben.modal(), prompt="with a moustache")
    await is_refused(ben, app)


async def test_a_photo_belongs_to_its_poster(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    photo = ada.upload("me.png", await ada.fetch((await asked()).attachments[0]["url"]))
    said = await ada.say("me", files=(photo,))
    await consent(app, ada, Consent.NOBODY)
    await ben.menu("Edit with Easel", await ben.message(lambda m: m.id == said))
    await is_refused(ben, app)


async def test_a_reference_in_a_tray_is_refused(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await ben.menu("Use as reference", await seen(ben, await asked()))
    await ben.message(lambda m: "Saved to your tray" in m.content)
    await consent(app, ada, Consent.NOBODY)
    ben_s = ReplyTarget(user_id=int(ben.id), channel_id=int(ben.channel("studio")))
    with pytest.raises(NotAllowed, match=REFUSED):
        await app.services.orders.order(await order_of(app.services, "at night", ben_s, kind=JobKind.EDIT, from_tray=True))


async def test_again_is_refused_for_an_edit_of_their_image(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    await ben.click(await seen(ben, await asked()), "Edit")
    await ben.submit(await ben.modal(), prompt="with a moustache")
    edit = await ben.message(lambda m: "moustache" in m.content and has_image(m))
    await consent(app, ada, Consent.NOBODY)
    await ben.click(edit, "Again")
    await ben.message(lambda m: m.ephemeral and REFUSED in m.content)


async def test_an_image_uploaded_for_an_edit_belongs_to_its_uploader(app: App, ada: Person, ben: Person, asked: Ask) -> None:
    photo = ada.upload("me.png", await ada.fetch((await asked()).attachments[0]["url"]))
    await ada.slash("edit", prompt="as a king", image=photo)
    edit = await ada.message(lambda m: "as a king" in m.content and has_image(m))
    await consent(app, ada, Consent.NOBODY)
    await ben.click(await seen(ben, edit), "Again")
    await is_refused(ben, app)


async def test_only_the_chosen_role_may_edit(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await consent(app, ben, Consent.ROLE, "Artists")
    await ben.slash("generate", prompt="a red fox")
    image = await ben.message(has_image)
    await ada.click(await seen(ada, image), "Edit")  # Ada is an artist
    await ada.modal()
    await mo.click(await seen(mo, image), "Edit")
    await is_refused(mo, app)


async def test_members_may_always_edit_their_own_images(app: App, ada: Person, asked: Ask) -> None:
    first = await asked()
    await consent(app, ada, Consent.NOBODY)
    await ada.click(first, "Edit")
    await ada.submit(await ada.modal(), prompt="at night")
    await ada.message(lambda m: "at night" in m.content and has_image(m))
