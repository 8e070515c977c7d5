"""Texts for managers and moderators: every case has a sentence, and all fit in a panel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.guild.differences import differences
from bot.domain.guild.document import Policy, changed, document
from bot.domain.guild.sections import Offence, Strikes
from bot.domain.moderation.audit import AuditAction, AuditLine
from bot.domain.moderation.cases import Decision
from bot.domain.moderation.conduct import BlockRow, MemberConduct
from bot.store.moderation.conduct import BY_STRIKES
from cogs.admin import panel_texts, settings_texts
from cogs.moderation import audit_texts

DETAILS = {"decision": Decision.KEEP, "offence": Offence.FALSE_FLAG, "amount": 1_000_000, "until": 5_000, "reason": "spam", "changes": []}


def block(**values: object) -> BlockRow:
    row = {"id": 1, "guild_id": 1, "user_id": 2, "at": 0, "until": None, "reason": "", "by_id": None, "case_id": None}
    return BlockRow(**{**row, "lifted_at": None, "lifted_by": None, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize("action", AuditAction)
@pytest.mark.parametrize("details", [{}, DETAILS], ids=["bare", "full"])
def test_every_audit_action_has_a_sentence(action: AuditAction, details: dict[str, object]) -> None:
    line = AuditLine(action=action, at=1_000, guild_id=1, actor_id=None, target_id=2, case_id=3, details=details)
    text = audit_texts.audit([line], str, links={}, target_id=None, limit=4000)
    assert "<t:1:R>" in text
    assert "{" not in text


def test_a_block_says_who_until_when_and_why() -> None:
    assert "Easel" in audit_texts.block_line(block(reason=BY_STRIKES))
    assert "too many strikes" in audit_texts.block_line(block(reason=BY_STRIKES))
    text = audit_texts.block_line(block(by_id=7, until=60_000, reason="*spam*"))
    assert ("<@7>" in text, "<t:60:f>" in text, "\\*spam\\*" in text) == (True, True, True)


def test_a_members_conduct_names_the_next_step() -> None:
    conduct = MemberConduct(points=5.5, strikes=3, block=None, cases=())
    text = audit_texts.member(2, conduct, Strikes(), "")
    assert ("5.5 points" in text, "At 8 points" in text, "Not blocked" in text) == (True, True, True)


@pytest.mark.parametrize("offence", Offence)
def test_every_offence_has_a_name(offence: Offence) -> None:
    assert settings_texts.OFFENCES[offence] in settings_texts.strikes(Policy())


@given(st.text(alphabet="ab \n", max_size=300), st.integers(3, 200))
def test_a_cut_text_fits_and_keeps_whole_words(text: str, limit: int) -> None:
    short = panel_texts.cut(text, limit)
    assert len(short) <= max(limit, 0)
    assert set(short.replace("…", "").split()) <= set(text.split())


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"flags": {"quorum": 4}}, "- Flags needed to hide an image: 3 → 4"),
        ({"pause": {"on": True}}, "- Pause: off → on"),
        ({"usd_per_month": 20}, "- Monthly budget in US dollars: default → 20"),
        ({"log_channel_id": "123456789012345678"}, "- Log channel: none → <#123456789012345678>"),
        ({"flags": {"role_ids": ["123456789012345678"]}}, "- Roles whose flags count right away: + <@&123456789012345678>"),
        ({"everyone": {"models": ["flux-2-dev"]}}, "- Models for everyone: all → FLUX.2 dev"),
        ({"roles": {"77": {"private": True}}}, "- Private images for <@&77>: default → on"),
        ({"prices": {"flux-2-dev": 3}}, "- Price of “FLUX.2 dev” in credits: default → 3"),
        ({"checks": {"on_down": "refuse"}}, "- Action during an outage of the content check: Wait until it answers → Block"),
        ({"strikes": {"ladder": [{"points": 5, "hours": 1}, {"points": 8, "hours": 24}]}}, "- Lockouts: − 168 h from 12 points"),
    ],
)
def test_a_change_names_the_setting_and_its_values_in_words(changes: dict[str, object], line: str) -> None:
    found = differences(document(Policy()), document(changed(Policy(), changes)))
    assert panel_texts.changes(found, lambda model: {"flux-2-dev": "FLUX.2 dev"}.get(model, model)) == line


def test_a_setting_of_an_earlier_version_is_named_without_its_path() -> None:
    assert list(panel_texts.change_lines([{"path": "retired.setting", "was": 1, "now": 2}], str)) == ["- A former setting: 1 → 2"]
