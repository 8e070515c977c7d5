"""A step of setup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.core.settings.field_types import ManagersMay
from bot.domain.guild import allotment
from cogs.admin.setup.controls import SettingControl, StepContext

Text = Callable[[], str]


@dataclass(frozen=True, kw_only=True)
class SetupStep:
    """Some settings that belong together. `now` is their current value in words."""

    key: str
    emoji: str
    title: Text
    about: Text  # what they do, in one sentence
    now: Callable[[StepContext], str]
    controls: Sequence[SettingControl]
    posts: tuple[str, ...] = ()  # the channels of `posted.POSTS` that it sets
    needs: ManagersMay | None = None
    of_role: bool = False  # it begins with the choice of a role


def operators_word(needs: ManagersMay) -> str:
    return "🔧 " + allotment.refusal(needs).sentence
