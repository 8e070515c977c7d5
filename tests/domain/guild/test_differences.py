"""Differences between two settings documents, as stored in the audit log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.guild.differences import CHANGES_MAX, ENTRIES_MAX, as_details, differences
from bot.domain.guild.document import Policy, changed, document


def changes(old: Any, new: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = as_details(differences(old, new)).get("changes", [])
    return found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [{"path": "a.b", "was": 1, "now": 2}]),
        ({"a": None}, {}, []),
        ({}, {"a": {"b": 2}}, [{"path": "a.b", "was": None, "now": 2}]),
        ({"a": {"b": 2}}, {"a": None}, [{"path": "a.b", "was": 2, "now": None}]),
        ({"a": [1, 2]}, {"a": [2, 3]}, [{"path": "a", "added": [3], "removed": [1]}]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [{"path": "a", "was": [1, 2], "now": [2, 1]}]),
        ({"a": "all"}, {"a": ["x"]}, [{"path": "a", "was": "all", "now": ["x"]}]),
        ({"a": [{"x": 1}]}, {"a": [{"x": 2}]}, [{"path": "a", "added": [{"x": 2}], "removed": [{"x": 1}]}]),
    ],
    ids=str,
)
def test_differences_are_listed_by_setting(old: Any, new: Any, expected: list[Any]) -> None:
    assert changes(old, new) == expected


def test_a_change_of_the_policy_has_one_entry_per_setting() -> None:
    new = changed(Policy(), {"pause": {"on": True}, "prompts": {"block": {"words": ["gore"]}}})
    assert changes(document(Policy()), document(new)) == [
        {"path": "pause.on", "was": False, "now": True},
        {"path": "prompts.block.words", "added": ["gore"]},
    ]


def test_a_large_change_is_cut() -> None:
    (large,) = changes({"a": []}, {"a": ["x" * 1000 + str(number) for number in range(1000)]})
    assert (len(large["added"]), large["more"]) == (ENTRIES_MAX, 1000 - ENTRIES_MAX)
    details = as_details(differences({}, {str(number): number for number in range(CHANGES_MAX + 5)}))
    assert (len(details["changes"]), details["more"]) == (CHANGES_MAX, 5)
    assert len(json.dumps(large)) < 10_000
