"""Seeded mutations of JSON values and texts, as the world outside might send them; of files: `tests.media.cases.mutations`."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e\u2066",
    "🦊" * 50,
    "👩‍👩‍👧‍👦",
    "e\u0301" * 40,
    "﷽" * 30,
    "x" * 5000,
    "%s%n{0}{prompt}",
    "'; DROP TABLE jobs; --",
    "../../etc/passwd",
    "@everyone <@1> ||x|| ```",
    "-1",
    "1e999",
    "٣",
    "²",
    "nan",
    "null",
    "true",
    "data:image/png;base64,AAAA",
    "https://example.com/\r\nX: y",
)
NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**40, 0.1, -0.0, 1e308, float("inf"), float("nan"))
_JUNK: tuple[Any, ...] = (None, True, False, [], {}, [[[[]]]], {"": {"": None}}, [None] * 100, *TEXTS, *NUMBERS)


def mutated_json(value: Any, dice: Random) -> Any:
    """A copy of the value after one to three changes, as it would be read from the wire."""
    box = [copy.deepcopy(value)]
    for _ in range(dice.randint(1, 3)):
        holder, key = dice.choice(list(_places(box)))
        match dice.randrange(5):
            case 0 if isinstance(holder, dict):
                holder[dice.choice(TEXTS)] = holder.pop(key)
            case 1 if isinstance(holder, dict):
                del holder[key]
            case 2:
                holder[key] = [copy.deepcopy(holder[key])] * dice.choice((1, 2, 50))
            case 3:
                holder[key] = str(holder[key])
            case _:
                holder[key] = copy.deepcopy(dice.choice(_JUNK))
    return json.loads(json.dumps(box))[0]


def _places(holder: Any) -> Sequence[tuple[Any, Any]]:
    """Every place of a value within lists and objects."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
    return [place for key in keys for place in ((holder, key), *_places(holder[key]))]


def mutated_text(text: str, dice: Random) -> str:
    """The text after one to three changes."""
    for _ in range(dice.randint(1, 3)):
        at = dice.randrange(len(text) + 1)
        match dice.randrange(5):
            case 0:
                text = text[:at] + dice.choice(TEXTS) + text[at:]
            case 1:
                text = text[:at] + text[at + dice.randrange(1, 4) :]
            case 2:
                text = (
                    text[:at]
                    + chr(dice.choice((dice.randrange(32, 127), dice.randrange(0x300), dice.randrange(0x1F300, 0x1FAFF))))
                    + text[at:]
                )
            case 3:
                text = text[:at] + str(dice.choice(NUMBERS)) + text[at:]
            case _:
                text = text[at:] + text[:at]
    return text
