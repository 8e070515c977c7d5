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
        ({"puase": {}}, "puase: there is no such setting; perhaps pause is meant."),
        ({"pause": {"onn": True}}, "pause.onn: there is no such setting; perhaps pause.on is meant."),
        ({"zzz": 1}, "zzz: there is no such setting."),
        ({"pause": {"on": "maybe"}}, "pause.on: “maybe” is neither on nor off."),
        ({"pause": 3}, "pause: “3” is no group of settings."),
        ({"version": 2}, "version: “2” is not 1."),
        ({"channels": {"allowed": [1], "denied": ["1"]}}, "channels: 1 is both allowed and denied."),
        ({"roles": {"x": {}}}, "roles.x: “x” is no whole number."),
        ({"roles": {"7": {"models": "some"}}}, "roles.7.models: “some” is neither “all” nor a list."),
        ({"roles": {"7": {"max_count": 9}}}, "roles.7.max_count: “9” is too much; the most is 4."),
        ({"roles": {"7": {"purse": {}}}}, "roles.7.purse.size: this is missing."),
        ({"roles": []}, "roles: “[]” is no set of names and values."),
        ({"everyone": {"aspect_ratios": ["0:1"]}}, "everyone.aspect_ratios.1: “0:1” is not written as it should be."),
        ({"usd_per_month": 1.234}, "usd_per_month: “1.234” has more than 2 decimals."),
        ({"usd_per_month": "NaN"}, "usd_per_month: “NaN” is no number."),
        ({"usd_per_month": -1}, "usd_per_month: “-1” is too little; the least is 0."),
        ({"prices": {"": 1}}, "prices.: this may not be empty."),
        ({"gifts": {"by_reaction": {"emoji": "x", "credits": 0}}}, "gifts.by_reaction.credits: “0” is too little; it must be more than 0."),
        (
            {"prompts": {"block": {"words": ["a*b"]}}},
            "prompts.block.words.1: a*b has a * in the middle. Put it at the start or the end.",
        ),
        ({"prompts": {"flag": {"words": ["*"]}}}, "prompts.flag.words.1: * needs at least one letter or digit."),
        ({"prompts": {"block": {"patterns": ["("]}}}, "prompts.block.patterns.1: The pattern ( cannot be used: missing ): (."),
        ({"checks": {"thresholds": {"flag": 0.9, "block": 0.1}}}, "checks.thresholds: flag (0.9) may not be above block (0.1)."),
        ({"checks": {"on_down": "x"}}, "checks.on_down: “x” is not one of 'hold', 'allow' or 'refuse'."),
        ({"known_bad": {"hashes": ["0" * 16]}}, "known_bad.hashes.1: 0000000000000000 would match every plain picture."),
        (
            {"strikes": {"ladder": [{"points": 3, "hours": 5}, {"points": 3, "hours": 6}]}},
            "strikes: each rung of the ladder needs more points than the one before, and no fewer hours.",
        ),
        ({"log_channel_id": "12a"}, "log_channel_id: “12a” is no whole number."),
        ({"log_channel_id": True}, "log_channel_id: “True” is no whole number."),
        ({"moderator_role_ids": 3}, "moderator_role_ids: “3” is no list."),
    ],
    ids=str,
)
def test_a_wrong_value_gets_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    assert errors_of(wrong) == [sentence]


def test_wrong_values_are_reported_up_to_a_limit() -> None:
    found = errors_of({f"nothing{number}": 1 for number in range(SHOWN_MAX + 2)})
    assert len(found) == SHOWN_MAX + 1
    assert found[-1] == "There are 2 more wrong values."


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


def test_a_wrong_change_is_refused_with_the_same_sentence() -> None:
    with pytest.raises(InvalidRequest, match=r"newcomers\.wait_hours: “-1” is too little; the least is 0\."):
        changed(Policy(), {"newcomers": {"wait_hours": -1}})


def test_known_bad_images_match_up_to_a_distance() -> None:
    known = KnownBad(hashes=("00000000000000ff",), distance=2)
    assert [known.matches(each) for each in (0xFF, 0xFC, 0xF8)] == [True, True, False]
