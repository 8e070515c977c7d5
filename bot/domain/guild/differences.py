"""Differences between two settings documents, in a short form for the audit log and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CHANGES_MAX: Final = 50  # logged changes of one document
ENTRIES_MAX: Final = 20  # logged entries of one list
_TEXT_MAX: Final = 200  # characters


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One changed setting. For a list: the added and removed entries, or, if only the order changed, `was` and `now`."""

    path: str  # such as "everyone.purse.size"
    was: Any = None  # JSON; None: it was not set
    now: Any = None
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For the audit log: long texts and lists are cut; `more` is the number of omitted entries."""
        if not (self.added or self.removed):
            return {"path": self.path, "was": _short(self.was), "now": _short(self.now)}
        more = len(self.added[ENTRIES_MAX:]) + len(self.removed[ENTRIES_MAX:])
        lists = {"added": _short(self.added[:ENTRIES_MAX]), "removed": _short(self.removed[:ENTRIES_MAX])}
        return {"path": self.path, **{name: value for name, value in lists.items() if value}, **({"more": more} if more else {})}


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Difference, ...]:
    """The changes from `old` to `new`, both JSON, in document order. None and a missing value are the same."""
    return tuple(_between(old, new, ()))


def as_details(found: Sequence[Difference]) -> dict[str, Any]:
    """The details of an audit log entry."""
    more = len(found) - CHANGES_MAX
    return {"changes": [each.as_json() for each in found[:CHANGES_MAX]], **({"more": more} if more > 0 else {})}


def _between(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if old == new:
        return
    if isinstance(old, Mapping) or isinstance(new, Mapping):
        before, after = (each if isinstance(each, Mapping) else {} for each in (old, new))
        for name in dict.fromkeys((*before, *after)):
            yield from _between(before.get(name), after.get(name), (*path, str(name)))
    elif isinstance(old, list) and isinstance(new, list):
        yield _of_lists(old, new, ".".join(path))
    else:
        yield Difference(path=".".join(path), was=old, now=new)


def _of_lists(old: list[Any], new: list[Any], path: str) -> Difference:
    before, after = set(map(repr, old)), set(map(repr, new))  # entries may be groups, which have no hash
    added = tuple(each for each in new if repr(each) not in before)
    removed = tuple(each for each in old if repr(each) not in after)
    if added or removed:
        return Difference(path=path, added=added, removed=removed)
    return Difference(path=path, was=old, now=new)


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= _TEXT_MAX else value[: _TEXT_MAX - 1] + "…"
    if isinstance(value, Mapping):
        return {name: _short(each) for name, each in value.items()}
    return [_short(each) for each in value[:ENTRIES_MAX]] if isinstance(value, list | tuple) else value
