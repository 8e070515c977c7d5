"""`doctor` against local servers: a healthy environment, the sentence of each fault, and no secrets in the output."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from bot.core import config
from bot.domain.job import GenerationState, Outcome
from bot.ops import doctor
from bot.ops.doctor import CHECKS
from bot.ops.findings import Finding, Severity
from bot.store import steps
from bot.store.engine.opening import migrate, open_store
from tests.env.app import Env
from tests.env.job_steps import order
from tests.env.jobs import new_job

Examine = Callable[..., Awaitable[list[Finding]]]


@pytest.fixture
def examine(env: Env) -> Examine:
    """Returns all findings for this environment with these settings."""

    async def examine_(**overrides: str) -> list[Finding]:
        found: list[Finding] = []
        fine = await doctor.examine(config.read(env.environment(**overrides), env_file=None), show=found.append)
        assert fine is not any(finding.severity is Severity.BAD for finding in found)
        return found

    return examine_


def about(findings: list[Finding], check: str) -> str:
    return " ".join(str(finding) for finding in findings if finding.check == check)


async def test_a_healthy_environment_has_no_bad_findings(examine: Examine) -> None:
    findings = await examine()
    assert [str(finding) for finding in findings if finding.severity is Severity.BAD] == []
    assert list(dict.fromkeys(finding.check for finding in findings)) == [name for name, _ in CHECKS]


async def test_no_secret_is_shown(examine: Examine, env: Env) -> None:
    key = "the-key-of-an-endpoint"
    endpoint = {"name": "local", "base_url": "http://127.0.0.1:1", "key": key, "models": [{"id": key}]}
    output = "\n".join(map(str, await examine(OXLO_API_KEY=env.images.openai_key, OPENAI_ENDPOINTS=json.dumps([endpoint]))))
    secrets = (env.discord.token, env.images.key, env.images.openai_key, key)
    assert [secret for secret in secrets if secret in output] == []


@pytest.mark.parametrize(
    ("overrides", "check", "sentence"),
    [
        ({"DISCORD_TOKEN": "MTIz.wrong.token"}, "Discord token", "bad   Discord token: Discord refused DISCORD_TOKEN; copy it again"),
        ({"DISCORD_API_URL": "http://127.0.0.1:1/api"}, "Discord token", "DISCORD_API_URL does not answer"),
        ({"DISCORD_GATEWAY_URL": "ws://127.0.0.1:1/"}, "gateway", "DISCORD_GATEWAY_URL does not answer as Discord does"),
        ({"OXEN_API_KEY": "wrong"}, "image APIs", "Oxen.ai: it refuses OXEN_API_KEY"),
        ({"OXEN_API_KEY": "wrong"}, "event stream", "skip  event stream: not checked, because Oxen.ai can't be used now."),
        ({"OXEN_BASE_URL": "http://127.0.0.1:1"}, "image APIs", "OXEN_BASE_URL does not answer"),
        ({"OXEN_BASE_URL": "http://127.0.0.1:1"}, "image APIs", "is not checked, because Oxen.ai lists no models now."),
        ({"OXEN_MODE": "poll"}, "event stream", "ok    event stream: not used, because OXEN_MODE is poll."),
        ({"DEFAULT_MODEL": "no-such-model"}, "image APIs", "DEFAULT_MODEL no-such-model is not offered"),
        ({"QUOTA_CREDITS": "1"}, "image APIs", "costs 1.4 credits an image, more than a member can have; raise QUOTA_CREDITS"),
        ({"DISCORD_CDN_HOSTS": "no.such.host.invalid"}, "image hosts", "DISCORD_CDN_HOSTS names no.such.host.invalid, which"),
        ({"RESULT_HOSTS": "127.0.0.1"}, "image hosts", "images are downloaded from each image API's own hosts, 127.0.0.1, 127.0.0.1:"),
        ({}, "moderations", "ok    moderations: it answers, with 13 categories"),
        ({"MODERATIONS_URL": ""}, "moderations", "ok    moderations: not used, because there is no MODERATIONS_URL."),
        ({"MODERATIONS_KEY": "wrong"}, "moderations", "Check MODERATIONS_URL, MODERATIONS_KEY and MODERATIONS_MODEL."),
        ({"MODERATIONS_MODEL": "none"}, "moderations", "bad   moderations:"),
        ({"MODERATIONS_URL": "http://127.0.0.1:1"}, "moderations", "warn  moderations: The moderations endpoint is busy or down."),
        (
            {"MESSAGE_CONTENT_INTENT": "true"},
            "intents",
            "bad   intents: MESSAGE_CONTENT_INTENT needs the message content intent; turn it on",
        ),
        ({"DATA_DIR": "/dev/null/easel"}, "database", "/dev/null cannot be written to; check DATA_DIR"),
    ],
)
async def test_a_wrong_setting_is_named_with_its_remedy(examine: Examine, overrides: dict[str, str], check: str, sentence: str) -> None:
    assert sentence in about(await examine(**overrides), check)


@pytest.mark.faults("key-refused")
async def test_a_refused_key_is_bad(examine: Examine) -> None:
    findings = await examine()
    assert "bad   image APIs: Oxen.ai: it refuses OXEN_API_KEY" in about(findings, "image APIs")


@pytest.mark.faults("events-refused")
async def test_a_missing_event_stream_is_a_warning(examine: Examine) -> None:
    assert "warn  event stream: it is not available now" in about(await examine(), "event stream")


@pytest.mark.faults("models-down")
async def test_missing_models_are_bad(examine: Examine) -> None:
    assert "bad   image APIs: Oxen.ai: OXEN_BASE_URL does not answer" in about(await examine(), "image APIs")


@pytest.mark.faults("images-error")
async def test_a_failing_image_api_does_not_hide_other_findings(examine: Examine) -> None:
    findings = await examine()
    assert "ok    Discord token" in about(findings, "Discord token")
    assert "ok    gateway" in about(findings, "gateway")


async def test_a_check_that_hangs_is_a_finding(env: Env) -> None:
    found: list[Finding] = []
    assert not await doctor.examine(config.read(env.environment(), env_file=None), show=found.append, limit_s=0)
    assert "no answer within 0 s" in about(found, "gateway")


async def test_channels_that_deny_permissions_are_named(examine: Examine) -> None:
    assert "warn  permissions: Easel Studio: permissions are missing in #quiet;" in about(await examine(), "permissions")


async def test_a_valid_database_is_read_and_written(examine: Examine, env: Env) -> None:
    await migrate(env.settings().database)
    assert "ok    database: it can be read and written" in about(await examine(), "database")


async def test_a_folder_that_others_can_enter_is_named(examine: Examine, env: Env) -> None:
    async with env.app():
        pass
    env.folder.chmod(0o755)
    assert "chmod 700" in about(await examine(), "database")
    async with env.app():  # the bot does that itself
        assert env.folder.stat().st_mode & 0o777 == 0o700


async def test_a_database_in_use_is_left_alone(examine: Examine, env: Env) -> None:
    async with open_store(env.settings().database):
        assert about(await examine(), "database") == "ok    database: a running bot uses it, and its file is undamaged."


async def test_a_file_that_is_no_database_is_bad(examine: Examine, env: Env) -> None:
    await asyncio.to_thread((env.folder / "easel.sqlite3").write_bytes, b"not a database at all " * 100)
    assert about(await examine(), "database").startswith("bad   database: ")


async def test_a_check_writes_no_file(examine: Examine, env: Env) -> None:
    await examine()
    assert list(env.folder.iterdir()) == []


async def test_a_host_that_results_wait_at_is_named(examine: Examine, env: Env) -> None:
    async with open_store(env.settings().database) as store:
        made = Outcome(state=GenerationState.SUCCEEDED, result_url="https://elsewhere.invalid/fox.png")
        job = await order(store, new_job())
        await store.write(steps.start, job.id, 0, 2000)
        await store.write(steps.settle, job.id, 0, made, 2000)
    told = "images from oxen wait at elsewhere.invalid, which is none of its hosts; if it is right, add it to RESULT_HOSTS."
    assert told in about(await examine(), "image hosts")
    assert told not in about(await examine(RESULT_HOSTS="*.invalid"), "image hosts")


async def test_the_proxy_is_named_without_its_password(examine: Examine, env: Env) -> None:
    proxied = {"HTTPS_PROXY": "http://user:hunter2@127.0.0.1:1", "MODERATIONS_URL": "https://api.x.test/v1", "MODERATIONS_TIMEOUT_S": "1"}
    shown = "\n".join(map(str, await examine(**env.oxlo, **proxied)))
    assert "api.x.test: called through the proxy 127.0.0.1:1." in shown
    assert "hunter2" not in shown
