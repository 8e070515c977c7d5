"""Settings: what is taken, what is refused, and that a refusal names the setting and never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot import config
from bot.config import NAMES, SECRETS, OxenMode, Settings
from bot.errors import StartError

ENOUGH = {"DISCORD_TOKEN": "the-token-itself", "OXEN_API_KEY": "the-key-itself"}


def load(**environ: str) -> Settings:
    return config.load({**ENOUGH, **environ}, env_file=None)


def told_about(environ: dict[str, str]) -> str | None:
    """The refusal, where there is one."""
    try:
        config.load(environ, env_file=None)
    except StartError as error:
        return error.sentence
    return None


def refusal(environ: dict[str, str], env_file: Path | None = None) -> str:
    with pytest.raises(StartError) as caught:
        config.load(environ, env_file=env_file)
    return caught.value.sentence


def test_two_settings_are_enough() -> None:
    settings = load()
    assert settings.discord_token.get_secret_value() == "the-token-itself"
    assert settings.database == "sqlite:///data/easel.sqlite3"


def test_every_missing_setting_is_named_at_once() -> None:
    sentence = refusal({})
    assert "DISCORD_TOKEN (or DISCORD_TOKEN_FILE) is missing" in sentence
    assert "OXEN_API_KEY (or OXEN_API_KEY_FILE) is missing" in sentence


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("DISCORD_API_URL", "discord.com/api", "https://"),
        ("DISCORD_GATEWAY_URL", "https://gateway.discord.gg", "wss://"),
        ("DISCORD_CDN_HOSTS", "https://cdn.discordapp.com/", "name:port"),
        ("OXEN_BASE_URL", "hub.oxen.ai", "https://"),
        ("OXEN_NAMESPACE", "n" * 201, "200 characters"),
        ("OXEN_MODE", "streaming", "'events', 'poll' or 'sync'"),
        ("RESULT_HOSTS", "a b", "name:port"),
        ("DATABASE_URL", "mysql://easel:hunter2@db/easel", "postgresql://"),
        ("MODEL_PRICES", "a-model", "number"),
        ("MODEL_PRICES", "a-model=-1", "greater than or equal to 0"),
        ("QUOTA_CREDITS", "plenty", "number"),
        ("QUOTA_CREDITS", "nan", "1000000"),
        ("QUOTA_REFILL_PER_DAY", "-1", "greater than or equal to 0"),
        ("MAX_RUNNING", "0", "greater than or equal to 1"),
        ("MAX_RUNNING_PER_USER", "1.5", "integer"),
        ("REFERENCE_MODE", "both", "'auto', 'link' or 'inline'"),
        ("LOG_LEVEL", "loud", "'WARNING'"),
        ("LOG_FORMAT", "xml", "'console' or 'json'"),
        ("STOP_GRACE_S", "601", "600"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_setting(name: str, value: str, needed: str) -> None:
    sentence = refusal({**ENOUGH, name: value})
    assert sentence.startswith(f"{name} is wrong: ")
    assert needed in sentence
    assert sentence.endswith(".")
    assert sentence.count(" is wrong: ") == 1


def test_a_refusal_never_repeats_a_secret() -> None:
    told = refusal({**ENOUGH, "DATABASE_URL": "mysql://easel:hunter2@db/easel", "MAX_RUNNING": "0"})
    assert not [secret for secret in ("hunter2", "the-token-itself", "the-key-itself") if secret in told]


def test_settings_do_not_show_their_secrets() -> None:
    settings = load(DATABASE_URL="postgresql://easel:hunter2@db/easel")
    told = f"{settings!r} {settings} {settings.model_dump()}"
    assert not [secret for secret in ("hunter2", "the-token-itself", "the-key-itself") if secret in told]


@given(name=st.sampled_from(sorted(NAMES - {f"{secret}_FILE" for secret in SECRETS})), value=st.text(max_size=40))
def test_any_text_is_taken_or_refused_by_name(name: str, value: str) -> None:
    told = told_about({**ENOUGH, name: value})
    assert told is None or told.startswith(name)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_come_from_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("sqlite:///from/a/file\n")
    settings = config.load({**ENOUGH, name: "", f"{name}_FILE": str(path)}, env_file=None)
    assert getattr(settings, name.lower()).get_secret_value() == "sqlite:///from/a/file"


def test_a_secret_file_that_is_not_there_is_named() -> None:
    sentence = refusal({**ENOUGH, "DISCORD_TOKEN_FILE": "/nowhere/token"})
    assert sentence == "DISCORD_TOKEN_FILE names /nowhere/token, which cannot be read (FileNotFoundError)."


def test_the_environment_goes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MAX_RUNNING=3\nOXEN_MODE=poll\n")
    settings = config.load({**ENOUGH, "MAX_RUNNING": "4"}, env_file=path)
    assert (settings.max_running, settings.oxen_mode) == (4, OxenMode.POLL)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("DISCORD_TOKN", "DISCORD_TOKEN"), ("max_runing", "MAX_RUNNING"), ("QUOTA_CREDIT", "QUOTA_CREDITS"), ("OXEN_URL", "OXEN_BASE_URL")],
)
def test_an_unknown_name_in_the_file_is_refused_with_the_nearest(written: str, meant: str, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(f"{written}=secret-value\n")
    assert refusal(ENOUGH, path) == f"{written} in {path} is no setting; did you mean {meant}?"


def test_a_name_like_nothing_points_to_the_list(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("XYZZY=1\n")
    assert refusal(ENOUGH, path) == f"XYZZY in {path} is no setting; .env.example lists them all."


def test_unknown_names_in_the_environment_are_not_ours() -> None:
    assert load(DISCORD_TOKN="x", PATH="/bin").max_running == load().max_running


def test_an_empty_value_means_the_default() -> None:
    assert load(MAX_RUNNING="", OXEN_MODE="  ").model_dump() == load().model_dump()


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(b"OXEN_MODE=\xff\xfe")
    assert str(path) in refusal(ENOUGH, path)


def test_lists_and_prices_are_read_from_one_line() -> None:
    settings = load(RESULT_HOSTS="Files.Example.org, [::1]:8080 ,", MODEL_PRICES="one=1.5, two=0")
    assert settings.result_hosts == ("files.example.org", "[::1]:8080")
    assert settings.model_prices == {"one": 1.5, "two": 0}


def test_settings_cannot_be_changed() -> None:
    settings = load()
    with pytest.raises(ValidationError):
        settings.max_running = 99  # type: ignore[misc]  # that is the point
