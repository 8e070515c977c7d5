"""The ids of the controls of setup and of the panel. They say all: which step, shown from where, and about which role."""

from __future__ import annotations

from enum import StrEnum

from cogs.kit.router import DISCORD_ID, CustomId, matching, one_of, optional


class Mode(StrEnum):
    """From where a step was opened: decides where its buttons lead."""

    WALK = "walk"
    PANEL = "panel"


_NAME = matching(r"[a-z]{1,16}")
_CONTROL = matching(r"[a-z]{1,16}[0-9]{0,2}")
_OF_STEP = {"mode": one_of(*Mode), "step": _NAME, "role": optional(DISCORD_ID)}

START = CustomId("setup:start:{from_}", from_=one_of("welcome"))
SHOW = CustomId("setup:show:{mode}:{step}:{role}", **_OF_STEP)  # a button that leads to a step
OPEN = CustomId("setup:open:{section}", section=_NAME)  # a menu of steps
ROLE = CustomId("setup:role:{mode}:{step}:{role}", **_OF_STEP)  # a menu of roles
CHOOSE = CustomId("setup:choose:{mode}:{step}:{role}:{control}", **_OF_STEP, control=_CONTROL)
SET = CustomId("setup:set:{mode}:{step}:{role}:{control}:{value}", **_OF_STEP, control=_CONTROL, value=one_of("on", "off"))
ASK = CustomId("setup:ask:{mode}:{step}:{role}:{control}", **_OF_STEP, control=_CONTROL)
FORM = CustomId("setup:form:{mode}:{step}:{role}:{control}", **_OF_STEP, control=_CONTROL)
UNDO = CustomId("setup:undo:{setting}:{channel}", setting=one_of("log", "cases"), channel=optional(DISCORD_ID))
PANEL = CustomId("setup:panel:{step}", step=_NAME)  # back to the panel
