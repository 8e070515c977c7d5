"""A day at a server, step by step: every way to ask for something that makes, spends, decides or stores."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bot.app import App
from bot.domain.guild.document import changed, write_file
from sandbox.person import Message, Person
from tests.env.app import Env, has_image
from tests.journeys.conftest import job_id_of, written_down
from tests.journeys.images.test_commands import image_bytes
from tests.journeys.manager_steps import admin, private_reply, rules_of, updated
from tests.journeys.members.test_models import chosen
from tests.journeys.members.test_models import opened as opened_models
from tests.journeys.members.test_settings import opened as opened_settings
from tests.journeys.moderation.test_every_route import chosen_in_history
from tests.journeys.moderator_steps import GALLERY, case_post, decide, decided, gone, shown
from tests.journeys.reaction_steps import NOTE, answer_to, note_for, seen, unmarked
from tests.journeys.result_steps import press

DEV = "flux-2-dev"


@dataclass(frozen=True, kw_only=True)
class Day:
    """A running bot. Ada creates images, Ben reacts to them, Mo manages the server."""

    env: Env
    app: App
    ada: Person
    ben: Person
    mo: Person

    async def image(self, prompt: str, **options: Any) -> Message:
        """A new image of Ada's, once its delivery is stored."""
        await self.ada.slash("generate", prompt=prompt, **options)
        return await self.arrived(prompt)

    async def arrived(self, prompt: str, channel: str = "studio") -> Message:
        message = await self.ada.message(lambda m: has_image(m) and prompt in m.content, channel)
        await written_down(self.app, message)
        return message


Step = Callable[[Day], Awaitable[object]]


async def answered(person: Person, request: Awaitable[object]) -> None:
    """Wait for the answer too: a request is over once it is deferred."""
    before = {m.id for m in person.messages() if m.ephemeral}
    await request
    await person.message(lambda m: m.ephemeral and m.id not in before and m.text)


# --- images ----------------------------------------------------------------------------------------------------------


async def generate(day: Day) -> None:
    await day.image("a grey fox")
    await day.image("a shy fox", private=True)


async def edit(day: Day) -> None:
    await day.ada.slash("edit", prompt="a blue fox", image=day.ada.upload("day.png", image_bytes()))
    await day.arrived("a blue fox")


async def upscale(day: Day) -> None:
    await day.ada.slash("upscale", image=day.ada.upload("day.png", image_bytes()))
    await day.arrived("Topaz Image Upscaler · 5 credits")
    first = await day.image("a small fox")
    await press(day.ada, first, "Upscale")
    modal = await day.ada.modal()
    await day.ada.submit(modal, offer=[next(each["value"] for each in modal.control("offer")["options"] if "6x" in each["label"])])
    await day.arrived("Topaz Wonder 3 · 18 credits")


async def again(day: Day) -> None:
    first = await day.image("a twin fox")
    await day.ada.click(first, "Again")
    await day.ada.message(lambda m: has_image(m) and "a twin fox" in m.content and m.id != first.id)


async def edit_forms(day: Day) -> None:
    first = await day.image("a red fox")
    await day.ada.click(first, "Edit")
    await day.ada.submit(await day.ada.modal(), prompt="at night")
    await day.arrived("at night")
    await day.ada.menu("Edit with Easel", first)
    await day.ada.submit(await day.ada.modal(), prompt="at noon")
    await day.arrived("at noon")
    await day.ada.react(first, "✏️")
    await day.ada.click(await note_for(day.ada), NOTE)
    await day.ada.submit(await day.ada.modal(), prompt="at dawn")
    await day.arrived("at dawn")


async def models(day: Day) -> None:
    panel = await chosen(day.ada, await opened_models(day.ada), DEV, "FLUX.2 [dev]")
    await day.ada.click(panel, "Create with this model")
    await day.ada.submit(await day.ada.modal(), prompt="a fine fox")
    await day.arrived("a fine fox")
    await day.ada.click(panel, "Make it my default")
    await updated(day.ada, panel, "· default")


async def history(day: Day) -> None:
    await day.image("an old fox", private=True)
    await day.ada.click(await chosen_in_history(day.ada), "Post here")
    await day.ada.message(lambda m: has_image(m) and not m.ephemeral and "an old fox" in m.content)
    await day.ada.click(await chosen_in_history(day.ada), "Edit")
    await day.ada.submit(await day.ada.modal(), prompt="as a cub")
    await day.arrived("as a cub")
    await day.ada.click(panel := await chosen_in_history(day.ada), "Delete")
    await day.ada.message(lambda m: m.id == panel.id and "Back" not in m.buttons)


async def cancel(day: Day) -> None:
    day.env.switchboard.turn_on("generation-stuck")
    await day.ada.slash("generate", prompt="a late fox")
    message = await day.ada.message(lambda m: "a late fox" in m.content and "Cancel" in m.buttons)
    await day.ada.click(message, "Cancel")
    await day.ada.message(lambda m: m.id == message.id and "Cancelled" in m.content)
    day.env.switchboard.turn_off("generation-stuck")


async def delete(day: Day) -> None:
    message = await day.image("a short fox")
    await press(day.ada, message, "Delete")
    await gone(day.ada, message)


async def reactions(day: Day) -> None:
    first = await day.image("a loved fox")
    bens = await seen(day.ben, first)
    await day.ben.react(bens, "🔁")
    await day.ben.message(lambda m: has_image(m) and "a loved fox" in m.content and m.id != first.id)
    await unmarked(day.ben, first)
    await day.ben.react(bens, "🎨")
    await answer_to(day.ben, first)
    await day.ben.react(bens, "⭐")
    await day.ben.message(has_image, GALLERY)
    await day.ben.react(bens, "💖")
    await day.ben.message(lambda m: "You gave" in m.content, "dm")
    await day.ada.message(lambda m: "gave you 1 credit" in m.content, "dm")
    await day.ada.react(first, "✉️")
    await day.ada.message(lambda m: has_image(m) and "a loved fox" in m.content, "dm")
    await day.ada.react(first, "🙈")
    await shown(day.ada, first, hidden=True)
    second = await day.image("a brief fox")
    await day.ada.react(second, "❌")
    await gone(day.ada, second)


# --- members ---------------------------------------------------------------------------------------------------------


async def tray(day: Day) -> None:
    message = await seen(day.ben, await day.image("a posing fox"))
    await day.ben.menu("Use as reference", message)
    await private_reply(day.ben, "Saved to your tray (1 image)")
    await day.ben.slash("tray show")
    panel = await private_reply(day.ben, "## Your tray")
    await day.ben.menu("Use as reference", message)
    await private_reply(day.ben, "(2 images)")
    await day.ben.click(panel, "Empty tray")
    await updated(day.ben, panel, "empty")
    await answered(day.ben, day.ben.menu("Use as reference", message))
    await answered(day.ben, day.ben.slash("tray clear"))


async def styles(day: Day) -> None:
    for name in ("Ink", "Oil"):
        await day.ada.slash("style save", name=name, prefix=f"{name} of")
        await private_reply(day.ada, "Saved")
    await day.ada.slash("style delete", name="Oil")
    await private_reply(day.ada, "Deleted")


async def settings(day: Day) -> None:
    panel = await opened_settings(day.ben)
    await day.ben.select(panel, "v1:settings:consent", "nobody")
    await updated(day.ben, panel, "Nobody else can edit")
    await day.ben.click(panel, "Spoiler: off")
    await day.ben.message(lambda m: m.id == panel.id and "Spoiler: on" in m.buttons)


async def money(day: Day) -> None:
    await admin(day.mo, "grant", "100", member=day.ada.id, credits=100)
    await day.ada.slash("gift", member=day.ben.id, credits=7)
    await day.ben.message(lambda m: "7 credits" in m.content)
    await day.ada.slash("sponsor start", credits=5)
    line = await day.ada.message(lambda m: "End sponsorship" in m.buttons)
    await day.ada.click(line, "How much is left?")
    await day.ada.click(line, "End sponsorship")
    await private_reply(day.ada, "5 credits")
    await day.ada.slash("sponsor start", credits=6)
    await day.ada.message(lambda m: "End sponsorship" in m.buttons and m.id != line.id)
    await day.ada.slash("sponsor stop")
    await private_reply(day.ada, "6 credits")


async def erase(day: Day) -> None:
    await day.mo.slash("mydata export")
    await private_reply(day.mo, "Sent to you by DM")
    await day.mo.slash("mydata erase")
    panel = await day.mo.message(lambda m: "Delete everything" in m.buttons)
    await day.mo.click(panel, "Delete everything")
    await day.mo.message(lambda m: m.id == panel.id and not m.buttons)


# --- moderators and managers -----------------------------------------------------------------------------------------


async def cases(day: Day) -> None:
    first = await seen(day.ben, await day.image("a rude fox"))
    await press(day.ben, first, "Report")
    await day.ben.submit(await day.ben.modal(), reason="rude")
    await private_reply(day.ben, "have your report")
    await day.mo.react(await seen(day.mo, first), "🚩")
    await day.mo.message(lambda m: "Your report was counted" in m.text, "dm")  # before the image is gone
    post = await case_post(day.mo)
    await decide(day.mo, post, "Delete")
    await decided(day.mo, post, "**Delete**")
    await day.ada.click(await day.ada.message(lambda m: "Appeal" in m.buttons, "dm"), "Appeal")
    await day.ada.submit(await day.ada.modal(), words="It is only a fox.")
    second = await case_post(day.mo, "It is only a fox.")
    await day.mo.click(second, "Keep")
    await decided(day.mo, second, "**Keep**")


async def decisions(day: Day) -> None:
    answers = {"delete": "**Delete**", "spoiler": "**Hide**", "refund": "Refunded"}
    for command, words in answers.items():
        image = job_id_of(await day.image(f"a {command} fox"))
        await day.mo.slash(f"imagemod {command}", image=image)
        await private_reply(day.mo, words)
    await day.mo.slash("imagemod block", member=day.ben.id, hours=1, reason="loud")
    await day.ben.message(lambda m: "loud" in m.content, "dm")
    await answered(day.mo, day.mo.slash("imagemod unblock", member=day.ben.id))
    await day.mo.slash("imagemod purge", member=day.ben.id)
    panel = await day.mo.message(lambda m: "Delete all" in m.buttons)
    await day.mo.click(panel, "Delete all")
    await day.mo.message(lambda m: m.id == panel.id and not m.buttons)


async def rules(day: Day) -> None:
    await admin(day.mo, "pause", "paused", reason="Lunch.")
    await day.mo.slash("imageadmin panel")
    panel = await day.mo.message(lambda m: "Resume" in m.buttons)
    await day.mo.click(panel, "Resume")
    await day.mo.message(lambda m: m.id == panel.id and "Pause" in m.buttons)
    await answered(day.mo, day.mo.slash("presets add", emoji="🦊", name="Foxes", prompt="add a fox"))
    await answered(day.mo, day.mo.slash("presets remove", preset="🦊"))
    await answered(day.mo, day.mo.slash("presets reset"))
    wanted = write_file(changed(await rules_of(day.app, day.mo), {"pause": {"reason": "Tea."}}))
    preview = await admin(day.mo, "import", "Tea.", file=day.mo.upload("easel.json", wanted, "application/json"))
    await day.mo.click(preview, "Apply")
    await day.mo.message(lambda m: m.id == preview.id and not m.buttons)


READING = (
    *("help", "quota", "privacy", "history", "leaderboard", "style list", "tray show", "usage", "presets list"),
    *("imagemod cases", "imagemod blocked", "imagemod audit", "imageadmin log", "imageadmin export"),
)


async def reading(day: Day) -> None:
    """What only answers must not answer a second time."""
    for command in READING:
        await answered(day.mo, day.mo.slash(command))
    message = await day.image("a plain fox")
    await press(day.ada, message, "Details")
    await private_reply(day.ada, "a plain fox")
    await day.ada.autocomplete("generate", "model", prompt="a fox", model="flux")


SPENDING: tuple[Step, ...] = (generate, upscale, again, edit_forms, money, reactions)
STEPS: tuple[Step, ...] = (
    *(generate, edit, upscale, again, edit_forms, models, history, cancel, delete),
    *(tray, styles, settings, money, reactions, cases, decisions, rules, reading, erase),
)
