"""The language of every message: the server's where everyone reads it, the member's own where only they do."""

from __future__ import annotations

from gettext import NullTranslations

import pytest

from bot.app import App
from bot.core import i18n
from sandbox.person import Message, Person
from tests.env.app import has_image
from tests.journeys.manager_steps import grant
from tests.journeys.moderator_steps import GALLERY, case_post, change_rules, decide, with_moderators
from tests.journeys.reaction_steps import answer_to, seen
from tests.journeys.result_steps import panel_of
from tests.services.conftest import eventually

pytestmark = pytest.mark.usefixtures("german")


class Guillemets(NullTranslations):
    """Every text: the English one in «»."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def pgettext(self, _context: str, message: str) -> str:
        return self.gettext(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return self.gettext(super().ngettext(singular, plural, n))


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    monkeypatch.setitem(i18n._catalogues, "de", Guillemets())


def is_german(message: Message) -> bool:
    """Whether all texts of the bot in it are, also those of its buttons."""
    texts = (message.text, *message.buttons)
    assert len({"«" in text for text in texts}) == 1, texts
    return "«" in message.text


def button(message: Message, action: str) -> str:
    return next(str(b["custom_id"]) for b in message.buttons.values() if f":{action}:" in b["custom_id"])


async def shown(person: Person, channel: str = "studio", **options: object) -> Message:
    """The finished message of a /generate."""
    before = {m.id for m in person.messages(channel)}
    await person.slash("generate", channel, **{"prompt": "a fox", **options})
    return await person.message(lambda m: has_image(m) and m.id not in before, channel)


async def refused(person: Person) -> Message:
    before = {m.id for m in person.messages()}
    await person.slash("generate", prompt="a fox", model="no such model")
    return await person.message(lambda m: m.ephemeral and bool(m.text) and m.id not in before)


async def test_public_results_are_in_the_server_s_language_and_refusals_in_the_member_s(ada: Person, ben: Person, mo: Person) -> None:
    await ada.speak("de")
    assert [is_german(await shown(ada)), is_german(await refused(ada))] == [False, True]
    await mo.set_server_language("de")
    assert [is_german(await shown(ben)), is_german(await refused(ben))] == [True, False]
    assert "1,4" in (await shown(ben)).text


@pytest.mark.parametrize("server", ["de", "en-US"])
async def test_private_results_are_in_the_member_s_language(ada: Person, mo: Person, server: str) -> None:
    await mo.set_server_language(server)
    await ada.speak("en-US" if server == "de" else "de")
    assert is_german(await shown(ada, private=True)) is (server != "de")


async def test_direct_messages_are_in_the_member_s_language(ada: Person, mo: Person) -> None:
    await ada.speak("de")
    assert is_german(await shown(ada, "dm"))


@pytest.mark.faults("generation-stuck")
async def test_waiting_and_cancelled_messages_are_in_the_server_s_language(ada: Person) -> None:
    await ada.speak("de")
    await ada.slash("generate", prompt="a fox")
    waiting = await ada.message(lambda m: any(":cancel:" in b["custom_id"] for b in m.buttons.values()))
    assert not is_german(waiting)
    await ada.click(waiting, button(waiting, "cancel"))
    assert is_german(await ada.message(lambda m: m.ephemeral and bool(m.text)))


@pytest.mark.faults("generation-fails")
async def test_failures_are_in_the_server_s_language(ada: Person) -> None:
    await ada.speak("de")
    await ada.slash("generate", prompt="a fox")
    assert not is_german(await ada.message(lambda m: "⚠️" in m.content))


async def test_again_by_another_member_is_in_the_server_s_language(ada: Person, ben: Person) -> None:
    first = await shown(ada)
    await ben.speak("de")
    await ben.click(await seen(ben, first), button(first, "again"))
    again = await ben.message(lambda m: has_image(m) and m.id != first.id)
    assert not is_german(again)
    panel = await panel_of(ben, again, button(again, "more"))
    assert all("«" in label for label in panel.buttons)  # above them is only the prompt
    await ben.click(panel, button(panel, "details"))
    assert is_german(await ben.message(lambda m: m.ephemeral and bool(m.text) and m.id != panel.id))
    await ben.click(again, button(again, "edit"))
    assert "«" in (await ben.modal()).title


async def test_reactions_answer_in_public_in_the_server_s_language(ada: Person, ben: Person) -> None:
    first = await shown(ada)
    await ben.speak("de")
    await ben.slash("ping")
    await ben.react(await seen(ben, first), "🔁")
    assert not is_german(await answer_to(ben, first))
    await ben.react(await seen(ben, first), "✏️")
    assert not is_german(await ben.message(lambda m: ben.id in m.pings and bool(m.buttons)))
    await ben.react(await seen(ben, first), "✉️")
    assert "«" in (await ben.message(has_image, "dm")).text


async def test_a_reaction_on_a_german_server_is_answered_in_german(ada: Person, mo: Person) -> None:
    await mo.set_server_language("de")
    first = await shown(ada)
    await ada.react(first, "🔁")
    assert is_german(await answer_to(ada, first))
    await ada.react(first, "✏️")
    assert is_german(await ada.message(lambda m: ada.id in m.pings and bool(m.buttons)))


async def test_a_public_result_that_can_only_be_sent_by_dm_is_in_the_member_s_language(ada: Person, ben: Person, mo: Person) -> None:
    await mo.set_server_language("de")
    first = await shown(ada)
    await mo.permit("studio", "attach_files", on=False)
    await ada.react(first, "🔁")
    assert not is_german(await ada.message(has_image, "dm"))


async def test_messages_when_done_are_in_the_member_s_language(app: App, ada: Person) -> None:
    await app.services.members.change(int(ada.id), lambda chosen: chosen.model_copy(update={"tell_when_done": True}))
    await ada.speak("de")
    await ada.slash("ping")
    assert not is_german(await shown(ada))
    assert is_german(await ada.message(lambda m: "✅" in m.text, "dm"))


async def test_gifts_leaderboards_and_sponsors_are_in_the_server_s_language_if_all_see_them(app: App, ada: Person, ben: Person) -> None:
    await grant(app, ada, 100)
    await change_rules(app, ada, leaderboard=True)
    await ada.speak("de")
    await ada.slash("gift", member=ben.id, credits=2)
    assert "«" not in (await ada.message(lambda m: "🎁" in m.text)).text
    for share in (True, False):
        await ada.slash("leaderboard", share=share)
        assert is_german(await ada.message(lambda m, share=share: "##" in m.text and m.ephemeral is not share)) is not share  # type: ignore[misc]
    await ada.slash("sponsor start", credits=2)
    public = await ada.message(lambda m: "💛" in m.text)
    assert not is_german(public)
    await ada.click(public, button(public, "look"))
    await ada.slash("sponsor show")
    private = await ada.message(lambda m: "💛" in m.text and m.ephemeral)
    assert is_german(private)
    await ada.click(public, button(public, "stop"))
    over = await ada.message(lambda m: m.id == public.id and not m.buttons)
    assert "«" not in over.text
    assert "«" in (await ada.message(lambda m: "💛" in m.content and m.ephemeral)).text


async def test_an_image_posted_again_is_in_the_server_s_language(app: App, ada: Person) -> None:
    await ada.speak("de")
    job_id = button(await shown(ada, private=True), "again").split(":")[2]

    async def is_delivered() -> bool:
        return (await app.services.orders.job(job_id)).delivered_at is not None

    await eventually(is_delivered)
    await ada.slash("history")
    panel = await ada.message(lambda m: m.ephemeral and "##" in m.text)
    menu = next(c for c in panel.components if c["type"] == 3)
    await ada.select(panel, menu["custom_id"], menu["options"][0]["value"])
    one = await ada.message(lambda m: m.id == panel.id and any(":repost:" in b["custom_id"] for b in m.buttons.values()))
    assert "«" in one.text
    await ada.click(one, button(one, "repost"))
    assert not is_german(await ada.message(lambda m: has_image(m) and not m.ephemeral))


async def test_cases_and_the_gallery_are_in_the_server_s_language(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await with_moderators(app, mo, quorum=1, gallery={"channel_id": ada.channel(GALLERY), "stars": 1})
    await ada.speak("de")
    await ben.speak("de")
    first = await shown(ada)
    await ben.react(await seen(ben, first), "⭐")
    assert "«" not in (await ben.message(has_image, GALLERY)).text
    assert "«" not in (await ben.message(has_image, GALLERY)).attachments[0].get("description", "")
    await ben.react(await seen(ben, first), "🚩")
    assert not is_german(await case_post(mo))


async def test_a_decision_is_told_to_the_author_in_their_language(app: App, ada: Person, ben: Person, mo: Person) -> None:
    await mo.set_server_language("de")
    await with_moderators(app, mo, quorum=1)
    first = await shown(ada)
    await ben.react(await seen(ben, first), "🚩")
    post = await case_post(mo, "«🚩")
    await decide(mo, post, button(post, "delete"))
    assert not is_german(await ada.message(lambda m: bool(m.text), "dm"))


async def test_choices_have_the_numbers_of_the_member_s_language(ada: Person) -> None:
    await ada.speak("de")
    choices = await ada.autocomplete("generate", "guidance", prompt="x", model="flux-2-dev", guidance="2,5")
    assert (choices[0]["name"].partition(" ")[0], choices[0]["value"]) == ("2,5", "2.5")
