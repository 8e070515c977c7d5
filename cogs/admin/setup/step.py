"""A step of setup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.core.settings.field_types import ManagersMay
from bot.domain.guild import allotment
from cogs.admin.setup.controls import FormButton, SettingControl, StepContext

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
    of_role: bool = False  # it begins with the choice of a role

    @property
    def needs(self) -> list[ManagersMay]:
        """What the operator must let managers set, so that all of it can be changed."""
        blanks = [blank.needs for each in self.controls if isinstance(each, FormButton) for blank in each.blanks]
        return [each for each in (*(control.needs for control in self.controls), *blanks) if each is not None]


def operators_word(needs: ManagersMay) -> str:
    return "🔧 " + allotment.refusal(needs).sentence
