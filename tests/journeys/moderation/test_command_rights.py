"""Who may use which command: offered by Discord to those with the permission, and refused to others if a server offers it to all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from bot.core.clock import system
from bot.domain.permissions import Action
from bot.store.moderation import conduct
from sandbox.person import NotDoneError
from tests.journeys.manager_steps import audit_lines, guild_of, open_to_everybody
from tests.journeys.moderation.rights_steps import (
    HERE,
    MANAGER,
    MEMBER,
    MODERATOR,
    MODERATORS,
    Done,
    Stage,
    outcome,
    sentences,
)
from tests.journeys.moderation.test_rights import PRESSES

pytestmark = pytest.mark.asyncio(loop_scope="module")

OFFERED = {Action.MANAGE: {MANAGER}, Action.MODERATE: {MODERATOR, MANAGER}, Action.BLOCK: {MODERATOR, MANAGER}}
USER_MENU = "Image usage"
COMMANDS: list[tuple[Action, str, dict[str, Any], set[str]]] = [
    (Action.MANAGE, "imageadmin panel", {}, {MANAGER}),
    (Action.MANAGE, "imageadmin resume", {}, {MANAGER}),
    (Action.MANAGE, "imageadmin export", {}, {MANAGER}),
    (Action.MANAGE, "imageadmin grant", {"credits": 5, "member": "MEMBER"}, {MANAGER}),
    (Action.MANAGE, "imageadmin rules list", {}, {MANAGER}),
    (Action.MANAGE, "imageadmin rules import", {}, {MANAGER}),
    (Action.MANAGE, "presets list", {}, {MANAGER}),
    (Action.MANAGE, "presets remove", {"preset": "🌙"}, {MANAGER}),
    (Action.MANAGE, "presets reset", {}, {MANAGER}),
    (Action.MODERATE, "usage", {}, MODERATORS),
    (Action.MODERATE, USER_MENU, {}, MODERATORS),
    (Action.MODERATE, "imagemod cases", {}, MODERATORS),
    (Action.MODERATE, "imagemod audit", {}, MODERATORS),
    (Action.MODERATE, "imagemod blocked", {}, MODERATORS),
    (Action.MODERATE, "imagemod member", {"member": "MEMBER"}, MODERATORS),
    (Action.MODERATE, "imagemod purge", {"member": "MEMBER"}, MODERATORS),
    (Action.MODERATE, "imagemod delete", {"image": "JOB"}, MODERATORS),
    (Action.MODERATE, "imagemod spoiler", {"image": "JOB"}, MODERATORS),
    (Action.MODERATE, "imagemod refund", {"image": "JOB"}, MODERATORS),
    (Action.MODERATE, "imagemod unblock", {"member": "BLOCKED"}, MODERATORS),
    (Action.BLOCK, "imagemod block", {"member": "MEMBER"}, MODERATORS),
    (Action.BLOCK, "imagemod block", {"member": "ONESELF"}, set()),
]
IDS = [" ".join([command, *map(str, values.values())]) for _, command, values, _ in COMMANDS]
FORMER: list[tuple[Action, str, dict[str, Any], str]] = [
    (Action.MANAGE, "imageadmin panel", {}, "Pause"),
    (Action.MODERATE, "imagemod purge", {"member": "MEMBER"}, "Delete all"),
    (Action.MODERATE, "usage", {}, "By model"),
]


@pytest_asyncio.fixture(loop_scope="module")
async def opened(stage: Stage) -> AsyncIterator[None]:
    """All commands are offered to everybody."""
    await stage.people[MANAGER].permit_bot("manage_guild", True)  # AutoMod's rules can be imported
    with pytest.MonkeyPatch.context() as patch:
        await open_to_everybody(stage.app, patch, "imageadmin", "imagemod", "presets", "usage", USER_MENU)
        yield
    await stage.app.client.tree.sync()


async def value(stage: Stage, who: str, name: object) -> Any:
    """What a name in the table stands for."""
    member = stage.people[MEMBER].id
    match name:
        case "JOB":
            return (await stage.image())[0].id
        case "BLOCKED":
            await stage.app.store.write(conduct.block, guild_of(stage.author), int(member), until=None, reason="", by_id=1, now=system())
            return member
        case "MEMBER":
            return member
        case "ONESELF":
            return stage.people[who].id
    return name


async def run(stage: Stage, who: str, command: str, values: dict[str, Any]) -> None:
    person = stage.people[who]
    if command == USER_MENU:
        await person.user_menu(command, stage.people[MEMBER])
    else:
        await person.slash(command, **{name: await value(stage, who, each) for name, each in values.items()})


def refused_with(stage: Stage, action: Action) -> set[str]:
    return {"You can't use this command here."} if action is Action.MANAGE else sentences(action, stage.author)


def answered(stage: Stage, who: str) -> Done:
    """Whether this person has a new message that is no refusal."""
    person = stage.people[who]
    before = {m.id for m in person.messages()}

    async def is_answered() -> bool:
        return any(m.ephemeral and m.id not in before and "🚫" not in m.text for m in person.messages())

    return is_answered


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(("action", "command", "values", "allowed"), COMMANDS, ids=IDS)
async def test_a_command_that_everybody_is_offered_is_refused_by_easel(
    stage: Stage, action: Action, command: str, values: dict[str, Any], allowed: set[str]
) -> None:
    async def call(stage: Stage, who: str) -> Done:
        is_answered = answered(stage, who)
        await run(stage, who, command, values)
        return is_answered

    came = {who: await outcome(stage, call, who) for who in sorted(HERE)}
    assert {who for who, sentence in came.items() if sentence is None} == allowed
    assert {sentence for sentence in came.values() if sentence is not None} <= refused_with(stage, action)


@pytest.mark.parametrize(("action", "command", "values", "_allowed"), COMMANDS, ids=IDS)
async def test_discord_offers_a_command_only_to_those_with_the_permission(
    stage: Stage, action: Action, command: str, values: dict[str, Any], _allowed: set[str]
) -> None:
    for who in sorted(HERE - OFFERED[action]):
        with pytest.raises(NotDoneError, match="There is no "):
            await run(stage, who, command, values)


@pytest.mark.usefixtures("opened")
async def test_the_rules_are_suggested_to_managers_only(stage: Stage) -> None:
    await stage.people[MANAGER].slash("imageadmin rules add", to="block", word="gore*")
    for who in sorted(HERE):
        suggested = await stage.people[who].autocomplete("imageadmin rules remove", "entry", entry="gore")
        assert bool(suggested) is (who == MANAGER), who


@pytest.mark.parametrize(("action", "command", "values", "button"), FORMER, ids=[row[1] for row in FORMER])
async def test_a_former_moderator_is_refused_by_an_open_panel(
    stage: Stage, action: Action, command: str, values: dict[str, Any], button: str
) -> None:
    person, manager, before = stage.people[MEMBER], stage.people[MANAGER], await audit_lines(stage.app, stage.author)
    await manager.role(person.name, "Moderators")
    await run(stage, MEMBER, command, values)
    panel = await person.message(lambda m: m.ephemeral and button in m.buttons)
    await manager.role(person.name, "Moderators", on=False)

    async def press(stage: Stage, who: str) -> Done:
        is_answered = answered(stage, who)
        await person.click(panel, button)
        return is_answered

    assert await outcome(stage, press, MEMBER) in sentences(action, stage.author)
    assert await audit_lines(stage.app, stage.author) == before


async def test_every_action_is_tried() -> None:
    assert {action for action, *_ in PRESSES} | {action for action, *_ in COMMANDS} == set(Action)
