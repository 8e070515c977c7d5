"""Every Discord id in a settings document is found by its type."""

from __future__ import annotations

from bot.domain.guild.document import Policy, read
from bot.domain.guild.fields import IdKind
from bot.domain.guild.ids import NamedId, named_ids, without
from tests.env.guild_ids import every_id


def test_every_field_that_holds_an_id_is_found() -> None:
    wanted, ids = every_id()
    assert named_ids(read(wanted)) == ids
    assert {each.kind for each in ids} == set(IdKind)
    assert len(ids) >= 8


def test_all_ids_are_taken_out_and_nothing_else() -> None:
    wanted, ids = every_id()
    assert without(read({**wanted, "usd_per_month": 20}), ids) == Policy(usd_per_month="20")


def test_a_list_keeps_its_other_ids_in_their_order() -> None:
    policy = read({"channels": {"allowed": ["1", "2", "3", "4"]}, "roles": {"1": {"max_count": 2}}})
    channels = {NamedId(kind=IdKind.CHANNEL, id=each) for each in (1, 3)}
    assert without(policy, channels) == read({"channels": {"allowed": ["2", "4"]}, "roles": {"1": {"max_count": 2}}})
