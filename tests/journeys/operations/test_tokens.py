"""Interaction tokens are sealed in the database, its log and its backups, and are still of use after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import select, update

from bot.core.sealing import Sealer
from bot.store.tables import jobs
from sandbox.person import Person
from tests.env.app import Env, has_image
from tests.journeys.operations.test_restarts import run

KEPT = {"sealed": lambda sealed, _token: sealed, "of the version before": lambda _sealed, token: token, "damaged": lambda *_: "v1:AAAA"}


@pytest.fixture
async def ada(env: Env) -> AsyncIterator[Person]:
    async with Person.connect(env.discord.url, "Ada") as person:
        yield person


@pytest.mark.parametrize("kept", [pytest.param(keep, id=name) for name, keep in KEPT.items()])
async def test_a_private_image_is_shown_by_a_token_that_no_file_holds(env: Env, ada: Person, kept: Callable[[str, str], str]) -> None:
    """Only the token can edit a private message. Without one that can be opened, the member gets a DM."""
    env.switchboard.turn_on("generation-stuck")
    async with run(env, ada) as app:
        await ada.slash("generate", prompt="a slow river", private=True)
        message = await ada.message(lambda m: m.ephemeral and "Generating" in m.content)
        job_id, sealed = await app.store.read(lambda conn: tuple(conn.execute(select(jobs.c.id, jobs.c.token)).one()))
        token = Sealer(env.discord.token).open(sealed, about=job_id)
        written = b"".join(path.read_bytes() for path in env.folder.iterdir() if path.is_file())
        assert token is not None
        assert (token.encode() in written, sealed.encode() in written) == (False, True)
        await app.store.write(lambda conn: conn.execute(update(jobs).values(token=kept(sealed, token))).rowcount)
    env.switchboard.turn_off("generation-stuck")
    async with run(env, ada):
        if kept is KEPT["damaged"]:
            await ada.message(has_image, "dm")
        else:
            assert (await ada.message(has_image)).id == message.id
