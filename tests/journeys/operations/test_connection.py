"""Starting against a Discord that refuses the session or the commands, and staying connected over several shards."""

from __future__ import annotations

from collections.abc import Mapping
from gettext import NullTranslations

import pytest

from bot.core import i18n
from sandbox.person import Person
from tests.env.app import Env, has_image, person_in
from tests.env.scripted import scripted
from tests.journeys.operations.test_notices import real_logging as real_logging
from tests.journeys.operations.test_notices import told

SENTENCES: Mapping[str, str] = {
    "token-refused": "Discord refused DISCORD_TOKEN; copy it again",
    "shard-refused": "(code 4010); restart Easel",
    "version-refused": "(code 4012); update Easel.",
    "intents-unknown": "(code 4013); update Easel.",
    "intents-refused": "Discord refused the message content intent; turn it on",
}


async def test_a_session_that_discord_closes_for_good_ends_the_start_with_a_sentence(env: Env) -> None:
    for fault, sentence in SENTENCES.items():
        env.switchboard.turn_on(fault, times=1)
        with pytest.raises(ExceptionGroup) as raised:
            async with env.app(await_models=False):
                pass
        assert [sentence in str(error) for error in raised.value.exceptions] == [True], fault


async def order(person: Person) -> None:
    await person.until(lambda: (person.bot_online and "generate" in person.commands) or None)
    await person.slash("generate", "studio", prompt="a red fox")
    await person.message(has_image, "studio")
    await person.slash("ping", "dm")  # direct messages are of the first shard
    await person.message(lambda message: "Online" in message.content, "dm")


async def test_a_bot_that_became_too_large_for_one_session_opens_more(env: Env) -> None:
    async with env.app() as app, person_in(env, "Ada") as ada:
        env.switchboard.turn_on("shards-wanted")
        env.switchboard.turn_on("session-lost")
        await ada.until(lambda: len(app.client.shards) == 2 or None)
        await order(ada)
        assert app.client.gateway_trouble() is None


REFUSALS = (
    ("commands-refused", "Discord answered 400 (code 30034).", "Discord takes a limited number of new commands a day."),
    ("commands-forbidden", "Discord answered 403 (code 50001).", "Turn on the scope applications.commands"),
    ("commands-down", "Discord answered 503.", "It is tried again by itself"),
)


async def test_commands_that_are_refused_today_are_registered_later(env: Env, monkeypatch: pytest.MonkeyPatch) -> None:
    async with env.app(await_models=False):
        pass
    for n, (fault, what, remedy) in enumerate(REFUSALS):
        env.switchboard.turn_on(fault)
        with monkeypatch.context() as patch:
            if n % 2 == 0:  # so that the commands have other texts each time
                patch.setitem(i18n._catalogues, "de", NullTranslations())
            async with scripted() as hook, env.app(OPERATOR_WEBHOOK_URL=f"{hook.url}/hook", OPERATOR_DM="false") as app:
                (text,) = await told(hook)
                assert (what in text, remedy in text) == (True, True), text
                async with person_in(env, "Ada") as ada:
                    await order(ada)
                assert not app.client.has_registered
                env.switchboard.turn_off(fault)
                assert (await told(hook, 2))[1:] == ["Easel: commands not registered is over."]
                assert app.client.has_registered


@pytest.mark.faults("shards-wanted", "commands-down")
async def test_a_first_start_with_shards_registers_the_commands_once_discord_lets_it(env: Env) -> None:
    async with env.app() as app:
        env.switchboard.turn_off("commands-down")
        async with person_in(env, "Ada") as ada:
            await order(ada)
            await ada.until(lambda: len(app.client.shards) == 2 or None)
