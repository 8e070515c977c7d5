"""A guild's policy as a document: parsing, validation errors, changes, export."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InvalidRequest
from bot.domain.guild.document import DOCUMENT_MAX, Policy, changed, document, read, read_file, write_file
from bot.domain.guild.sections import KnownBad, Offence, OnDown
from bot.domain.guild.validation import SHOWN_MAX

FULL: dict[str, Any] = {
    "pause": {"on": True, "reason": "The budget has leaked."},
    "channels": {"allowed": ["900000000000000001"], "denied": [2]},
    "everyone": {"models": ["a"], "aspect_ratios": ["1:1", "16:9"], "max_count": 2, "private": False},
    "roles": {"77": {"models": "all", "purse": {"size": 100, "refill_per_day": 12.5}, "running": 3}},
    "pool": {"size": 500, "refill_per_day": 100},
    "usd_per_month": 49.99,
    "prices": {"flux-2-dev": 2.000001},
    "gifts": {"by_reaction": {"emoji": "🎁", "credits": 1}},
    "prompts": {"allow": {"words": ["Scunthorpe"]}, "block": {"words": ["cat*"], "patterns": [r"b[a4]d\s+word"]}},
    "checks": {"prompts": True, "categories": {"violence": {"flag": 0.3, "block": 0.8}}, "on_down": "refuse"},
    "known_bad": {"hashes": ["00FFaa0011223344"]},
    "strikes": {"weights": {"false_flag": 0}, "ladder": [{"points": 3, "hours": 2}]},
    "gallery": {"channel_id": "5", "stars": 3, "reward": 0.5},
    "moderator_role_ids": ["9"],
}


def errors_of(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(document)
    return caught.value.sentence.split("\n")


def test_an_empty_document_is_the_default_policy() -> None:
    assert read({}) == Policy()


def test_a_full_document_is_parsed() -> None:
    policy = read(FULL)
    assert policy.channels.allowed == (900000000000000001,)
    assert policy.roles[77].models == "all"
    assert (policy.usd_per_month, policy.prices["flux-2-dev"]) == (Decimal("49.99"), Decimal("2.000001"))
    assert policy.checks.on_down is OnDown.REFUSE
    assert policy.strikes.weight(Offence.FALSE_FLAG) == 0
    assert policy.strikes.weight(Offence.PICTURE_DELETED) == 2


@pytest.mark.parametrize(
    "content",
    [
        {f"k{n}": 1 for n in range(80_000)},
        {"channels": {"denied": [1] * 20_000}},
        {"strikes": {"weights": {f"k{n}": 1 for n in range(20_000)}}},
        {"a": [[[[[[[[[[1]]]]]]]]]]},
        {f"k{n}": {f"j{m}": [n, m] for m in range(100)} for n in range(100)},
    ],
    ids=["names", "list", "mapping", "depth", "groups"],
)
def test_a_file_with_too_many_values_is_refused_before_they_are_read(content: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="can have up to 20000"):
        read_file(json.dumps(content).encode())


@pytest.mark.parametrize("content", [{"x" * 900_000: 1}, {"pause": {"reason": "x " * 450_000}}, {"pause": {"on": "x " * 450_000}}])
def test_a_long_name_or_value_is_quickly_refused_and_cut(content: dict[str, Any]) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidRequest) as caught:
        read_file(json.dumps(content).encode())
    assert len(caught.value.sentence) < 300
    assert time.process_time() - begun < 0.5


def test_a_file_that_uses_every_limit_is_taken() -> None:
    words = {"words": [f"word {n}" for n in range(1000)], "patterns": [f"pattern {n}" for n in range(100)]}
    lists = {"allow": words, "flag": words, "block": words}
    hashes = [f"{n:016x}" for n in range(1, 10_001)]
    policy = read_file(json.dumps({"prompts": lists, "known_bad": {"hashes": hashes}}).encode())
    assert read_file(write_file(policy)) == policy


def test_an_exported_file_is_parsed_to_the_same_policy() -> None:
    policy = read(FULL)
    assert read_file(write_file(policy)) == policy
    assert json.loads(write_file(policy))["channels"]["allowed"] == ["900000000000000001"]


@given(st.decimals(0, 1_000_000, places=6), st.decimals(0, 1_000_000, places=2), st.integers(1, 2**63 - 1))
def test_amounts_and_ids_are_exact_in_a_file(price: Decimal, budget: Decimal, role_id: int) -> None:
    policy = read({"prices": {"m": price}, "usd_per_month": budget, "roles": {role_id: {}}})
    assert read_file(write_file(policy)) == policy
    assert policy.price_microcredits("m") == price * 1_000_000


def test_without_a_price_the_list_price_applies() -> None:
    assert Policy().price_microcredits("m") is None


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"puase": {}}, "“puase” isn't a setting. Did you mean “pause”?"),
        ({"pause": {"onn": True}}, "“onn” isn't a setting. Did you mean “on”?"),
        ({"flags": {"qourum": 4}}, "“qourum” isn't a setting. Did you mean “quorum”?"),
        ({"roles": {"7": {"purse": {"sice": 1, "size": 1}}}}, "“sice” isn't a setting. Did you mean “size”?"),
        ({"strikes": {"weights": {"fals_flag": 1}}}, "“fals_flag” isn't a setting. Did you mean “false_flag”?"),
        ({"zzz": 1}, "“zzz” isn't a setting."),
        ({"function-x": 1}, "“function-x” isn't a setting."),
        ({"pause": {"on": "maybe"}}, "Pause must be on or off; “maybe” is neither."),
        ({"pause": {"on": None}}, "Pause must be on or off; “null” is neither."),
        ({"pause": {"reason": "x" * 301}}, f"Reason for the pause can have at most 300 characters; “{'x' * 59}…” has more."),
        ({"pause": 3}, "“pause” must be a group of settings; 3 isn't."),
        ({"version": 2}, "File version must be 1; 2 isn't."),
        ({"flags": {"quorum": "many"}}, "Flags needed to hide an image must be a whole number; “many” isn't."),
        ({"everyone": {"max_count": 1.5}}, "Images per request for everyone must be a whole number; 1.5 isn't."),
        ({"everyone": {"max_megapixels": 200}}, "Megapixels per image for everyone must be at most 100; 200 isn't."),
        ({"channels": {"allowed": [1], "denied": ["1"]}}, "Channel 1 can't be both allowed and blocked."),
        ({"channels": {"denied": [1, 2, "x"]}}, "Blocked channels (entry 3) must be the ID of a channel; “x” isn't."),
        ({"roles": {"x": {}}}, "A name in Limits for roles must be the ID of a role; “x” isn't."),
        ({"roles": {"7": {"models": "some"}}}, "Models for role 7 must be “all” or a list; “some” is neither."),
        ({"roles": {"7": {"max_count": 9}}}, "Images per request for role 7 must be at most 4; 9 isn't."),
        ({"roles": {"7": {"purse": {}}}}, "Credit limit for role 7 can't be left out."),
        ({"roles": []}, "Limits for roles must be a group of settings; “[]” isn't."),
        ({"everyone": {"aspect_ratios": ["0:1"]}}, "Aspect ratios for everyone (entry 1) must be written like 16:9; “0:1” isn't."),
        ({"usd_per_month": 1.234}, "Monthly budget in US dollars can have at most 2 decimals; 1.234 has more."),
        ({"usd_per_month": "NaN"}, "Monthly budget in US dollars must be a number; “NaN” isn't."),
        ({"usd_per_month": -1}, "Monthly budget in US dollars must be at least 0; -1 isn't."),
        ({"prices": {"": 1}}, "A name in Prices can't be empty."),
        ({"prices": {"flux-1.1-pro": -1}}, "Price of “flux-1.1-pro” in credits must be at least 0; -1 isn't."),
        ({"gifts": {"by_reaction": {"emoji": "🎁", "credits": 0}}}, "Credits per gift by reaction must be more than 0; 0 isn't."),
        (
            {"prompts": {"block": {"words": ["a*b"]}}},
            r"Blocked words (entry 1): a\*b has a \* in the middle. Put it at the start or the end.",
        ),
        ({"prompts": {"flag": {"words": ["*"]}}}, r"Flagged words (entry 1): \* needs at least one letter or digit."),
        (
            {"prompts": {"flag": {"patterns": ["fine", "(unclosed"]}}},
            "Flagged patterns (entry 2): That pattern doesn't work: a closing ) is missing in (unclosed.",
        ),
        (
            {"prompts": {"too_slow": "maybe"}},
            "Action for prompts that take too long to check must be “block” or “flag”; “maybe” isn't.",
        ),
        (
            {"checks": {"thresholds": {"flag": 0.9, "block": 0.1}}},
            "The score for flagging (0.9) can't be above the score for blocking (0.1).",
        ),
        (
            {"checks": {"categories": {"violence": {"flag": 0.9, "block": 0.1}}}},
            "Scores for “violence”: The score for flagging (0.9) can't be above the score for blocking (0.1).",
        ),
        (
            {"checks": {"on_down": "x"}},
            "Action during an outage of the content check must be “hold”, “allow” or “refuse”; “x” isn't.",
        ),
        (
            {"known_bad": {"hashes": ["xyz"]}},
            "Blocked images (entry 1) must be fingerprints of 16 characters, 0 to 9 and a to f; “xyz” isn't one.",
        ),
        (
            {"known_bad": {"hashes": ["0" * 16]}},
            "Blocked images (entry 1): 0000000000000000 would match every image of a single colour.",
        ),
        ({"strikes": {"ladder": [{"points": "x", "hours": 5}]}}, "Points for a lockout (entry 1) must be a number; “x” isn't."),
        (
            {"strikes": {"ladder": [{"points": 3, "hours": 5}, {"points": 3, "hours": 6}]}},
            "Each lockout must need more points than the one before, and can't be shorter.",
        ),
        ({"gifts": {"by_reaction": {"emoji": "x", "credits": 1}}}, "Emoji for gifts by reaction: x isn't an emoji. Choose one emoji."),
        ({"log_channel_id": "12a"}, "Log channel must be the ID of a channel; “12a” isn't."),
        ({"log_channel_id": True}, "Log channel must be the ID of a channel; “true” isn't."),
        ({"moderator_role_ids": 3}, "Moderator roles must be a list; 3 isn't."),
    ],
    ids=str,
)
def test_a_wrong_value_gets_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    assert errors_of(wrong) == [sentence]


def test_sentences_about_long_values_fit_in_a_message() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read({"prices": {f"{number}{'*' * 60}": "_" * 60 for number in range(100)}})
    assert len(caught.value.sentence) < 1_900
    assert caught.value.sentence.endswith("more values are wrong.")


def test_wrong_values_are_reported_up_to_a_limit() -> None:
    found = errors_of({f"nothing{number}": 1 for number in range(SHOWN_MAX + 2)})
    assert len(found) == SHOWN_MAX + 1
    assert found[-1] == "2 more values are wrong."


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Policy.model_fields, "on", "words", "x"]), inner),
    )
)
def test_any_document_is_parsed_or_refused(value: Any) -> None:
    try:
        policy = read(value if isinstance(value, dict) else {"pause": value})
    except InvalidRequest:
        return
    assert read(document(policy)) == policy


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff\xfe", b"{", b"[" * 100_000, b" " * (DOCUMENT_MAX + 1)])
def test_a_file_without_settings_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest, match="file"):
        read_file(content)


def test_a_change_leaves_other_settings_unchanged() -> None:
    policy = changed(read(FULL), {"pause": {"on": False}, "roles": {78: {"private": True}}})
    assert (policy.pause.on, policy.pause.reason) == (False, "The budget has leaked.")
    assert set(policy.roles) == {77, 78}


def test_none_removes_an_entry_or_restores_the_default() -> None:
    policy = changed(read(FULL), {"roles": {77: None}, "pool": None, "pause": None, "prices": {"flux-2-dev": None}})
    assert (policy.roles, policy.pool, policy.pause, policy.prices) == ({}, None, Policy().pause, {})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompts": {"block": {"patterns": ["(unclosed"]}}}, "That pattern doesn't work: a closing ) is missing in (unclosed."),
        ({"everyone": {"aspect_ratios": ["wide"]}}, "Aspect ratios for everyone must be written like 16:9; “wide” isn't."),
        ({"roles": {"7": {"max_count": 9}}}, "Images per request for <@&7> must be at most 4; 9 isn't."),
    ],
)
def test_a_wrong_change_has_no_place_in_a_file(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        changed(Policy(), change)
    assert caught.value.sentence == sentence


def test_a_wrong_change_is_refused_with_the_same_sentence() -> None:
    with pytest.raises(InvalidRequest, match=r"Hours that new members wait must be at least 0; -1 isn't\."):
        changed(Policy(), {"newcomers": {"wait_hours": -1}})


def test_known_bad_images_match_up_to_a_distance() -> None:
    known = KnownBad(hashes=("00000000000000ff",), distance=2)
    assert [known.matches(each) for each in (0xFF, 0xFC, 0xF8)] == [True, True, False]
