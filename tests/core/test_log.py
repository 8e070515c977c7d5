"""Logs: secrets are redacted everywhere, ordinary words are not."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from bot.core import log
from bot.core.log import Redactor

TOKEN = "MTIz.abc.a-token-that-nobody-may-see"
WHOLE_ADDRESS = "postgresql://easel:hunter2@db/easel"
FORMS = pytest.mark.parametrize("form", ["console", "json"])


def set_up(form: str) -> None:
    log.set_up(level="INFO", form=form, known_secrets=[TOKEN, WHOLE_ADDRESS, ""])


def fail_with_a_secret() -> None:
    try:
        int(TOKEN)  # the error message repeats the argument
    except ValueError as error:
        raise RuntimeError(f"asked https://example.org/?token={TOKEN}") from error


@FORMS
def test_a_secret_is_redacted_in_our_own_records(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(form)
    structlog.get_logger("bot.ours").warning(f"with {TOKEN}", address=WHOLE_ADDRESS, nested={"deep": [TOKEN]})
    logged = capsys.readouterr().err
    assert (TOKEN in logged, "hunter2" in logged, logged.count("[secret]")) == (False, False, 3)


@FORMS
def test_a_secret_is_redacted_in_a_library_s_records(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(form)
    logging.getLogger("discord.http").warning("sent %s to %s", TOKEN, "/webhooks/123/interaction-token-of-somebody")
    logged = capsys.readouterr().err
    assert TOKEN not in logged
    assert "interaction-token-of-somebody" not in logged


@FORMS
def test_a_secret_is_redacted_in_tracebacks(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up(form)
    try:
        fail_with_a_secret()
    except RuntimeError:
        structlog.get_logger("bot.ours").exception("failed")
        logging.getLogger("theirs").exception("failed")
    logged = capsys.readouterr().err
    assert TOKEN not in logged
    assert logged.count("fail_with_a_secret") >= 2
    assert "RuntimeError" in logged


def test_json_is_one_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json")
    structlog.get_logger("bot.ours").info("two\nlines", job="abc", count=2)
    (line,) = capsys.readouterr().err.splitlines()
    read = json.loads(line)
    assert (read["event"], read["level"], read["logger"], read["job"], read["count"]) == ("two\nlines", "info", "bot.ours", "abc", 2)
    assert read["timestamp"].endswith("Z")


def test_records_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("console")
    structlog.get_logger("bot.ours").debug("a detail")
    logging.getLogger("aiosqlite").debug("every statement, and what was in it")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer [secret]"),
        ("Authorization: Bot MTIzNDU2Nzg5.GhIjKl.0123456789abcdefghij", "Authorization: Bot [secret]"),
        ("POST /webhooks/42/aW50ZXJhY3Rpb24/messages/@original", "POST /webhooks/42/[secret]/messages/@original"),
        ("POST /interactions/42/aW50ZXJhY3Rpb24/callback", "POST /interactions/42/[secret]/callback"),
        ("https://x.org/p.png?ex=1&hm=abcdef&is=2", "https://x.org/p.png?ex=1&hm=[secret]&is=2"),
        ("https://x.org/p.png?X-Amz-Signature=abcdef'", "https://x.org/p.png?X-Amz-Signature=[secret]'"),
        ("https://x.org/p.png?ex=67a1b2c3&is=67a06143&hm=ab#at=abcdef", "https://x.org/p.png?ex=[secret]&is=[secret]&hm=ab#at=[secret]"),
        ("https://x.org/p?AnyName=abcdef\\u0026se=2026-01-01", "https://x.org/p?AnyName=[secret]\\u0026se=[secret]"),
        ("https%3A%2F%2Fx.org%2Fp%3Fex%3D67a1b2c3", "https%3A%2F%2Fx.org%2Fp%3Fex%3D[secret]"),
        ("GET /p.png?sv=2026-01-01&sig=abc%3D", "GET /p.png?sv=[secret]&sig=[secret]"),
        (
            "{'t': 'INTERACTION_CREATE', 'd': {'token': 'abcdefgh', 'id': '1'}}",
            "{'t': 'INTERACTION_CREATE', 'd': {'token': '[secret]', 'id': '1'}}",
        ),
        ('{"session_id": "abcdefgh"}', '{"session_id": "[secret]"}'),
        ("Target(id=1, token='abcdefgh')", "Target(id=1, token='[secret]')"),
        ("('X-Api-Key', 'abcdefgh')", "('X-Api-Key', '[secret]')"),
        ("it was aW50ZXJhY3Rpb246MTIzOmFiYw==.", "it was [secret]"),
        ("https://abcdefgh@x.org/p", "https://[secret]@x.org/p"),
        ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==", "data:image/png;base64,[secret]"),
        ("postgresql://easel:pass-word@db/easel", "postgresql://easel:[secret]@db/easel"),
    ],
)
def test_what_looks_like_a_secret_is_redacted(text: str, expected: str) -> None:
    assert Redactor([])(text) == expected


@pytest.mark.parametrize(
    "text",
    ["from bot import app", "the bot answered at once", "https://example.org/?page=2", "easel@example.org", "a token, a secret; what?"],
)
def test_ordinary_words_are_not_redacted(text: str) -> None:
    assert Redactor([])(text) == text


def test_a_short_secret_does_not_redact_ordinary_words() -> None:
    assert Redactor(["a", "bot", ""])("a bot at work") == "a bot at work"


def test_the_longer_of_two_secrets_is_redacted_first() -> None:
    assert Redactor(["abcdef", "abcdef-ghi"])("abcdef-ghi") == "[secret]"


def test_a_fault_id_is_short_and_unique() -> None:
    first, second = log.fault_id(), log.fault_id()
    assert len(first) == 6
    assert first != second
