"""One bot and its people, for all the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from bot.services import reactions
from sandbox import discord, images
from sandbox.faults import Switchboard
from tests.env.app import Env, person_in
from tests.journeys.moderation.rights_steps import AUTHOR, MANAGER, MEMBER, MODERATOR, NAMED, OUTSIDER, Stage
from tests.journeys.moderator_steps import change_rules


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    board = Switchboard()
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for limit in ("BURST_MAKING", "BURST_JUDGING"):  # the tests press faster than people do
            patch.setattr(reactions, limit, 1_000)
        image_server = await stack.enter_async_context(images.serve(switchboard=board, timing=images.FAST, draft=True))
        chat = await stack.enter_async_context(discord.serve(switchboard=board))
        env = Env(switchboard=board, images=image_server, discord=chat, folder=tmp_path_factory.mktemp("rights"))
        app = await stack.enter_async_context(env.app(QUOTA_CREDITS="100000"))
        people = {AUTHOR: await stack.enter_async_context(person_in(env, "Ada"))}
        for who, name in {MEMBER: "Ben", MANAGER: "Mo", NAMED: "Cleo", MODERATOR: "Max"}.items():
            if name not in people[AUTHOR].people:
                await people[AUTHOR].join(name)
            people[who] = await stack.enter_async_context(person_in(env, name))
        people[OUTSIDER] = people[MANAGER]
        await people[MANAGER].role("Cleo", "Helpers")
        await people[MANAGER].role("Max", "Stewards")
        helpers = people[AUTHOR].roles["Helpers"]
        await change_rules(app, people[AUTHOR], moderator_role_ids=[helpers], flags={"quorum": 9}, strikes={"ladder": []})
        yield Stage(env=env, app=app, people=people)
