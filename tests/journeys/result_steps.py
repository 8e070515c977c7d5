"""What a member does with a finished message: the panels behind its buttons."""

from __future__ import annotations

from sandbox.person import Message, Person


async def panel_of(person: Person, message: Message, button: str = "More") -> Message:
    """Open the private panel behind More, or behind the number of an image."""
    where = message.channel_id
    seen = {each.id for each in person.messages(where)}
    await person.click(message, button)
    return await person.message(lambda each: each.ephemeral and each.id not in seen, where)


async def press(person: Person, message: Message, button: str) -> None:
    """Press a button of a finished message: under it, or in the panel behind More."""
    at = message if button in message.buttons else await panel_of(person, message)
    await person.click(at, button)


async def delete(person: Person, message: Message) -> None:
    """Delete an image from the panel behind More, which asks once if it is another member's."""
    panel = await panel_of(person, message)
    await person.click(panel, "Delete")
    answer = await person.message(lambda each: each.id == panel.id and "Delete" in each.text, message.channel_id)
    if answer.buttons:
        await person.click(answer, "Delete")
