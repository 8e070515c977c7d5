"""Fair scheduling: which generations are sent next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.job import Lane
from bot.domain.scheduling import Candidate, Caps, Queue, choose

MANY = Caps(per_user=100, per_guild=100, total=100)
CAPACITY = {"oxen": 100}


def candidate(job_id: str, user_id: int, guild_id: int | None, at: int, *, lane: Lane = Lane.PAID, provider: str = "oxen") -> Candidate:
    return Candidate(job_id, 0, user_id, guild_id, provider, lane, at, None)


def waiting(*members: tuple[int, int | None]) -> tuple[Candidate, ...]:
    """Generations of (member, guild), oldest first."""
    return tuple(candidate(f"j{at:02d}", user_id, guild_id, at) for at, (user_id, guild_id) in enumerate(members))


def queue(*members: tuple[int, int | None], users: dict[int, int] | None = None, guilds: dict[int | None, int] | None = None) -> Queue:
    return Queue(waiting=waiting(*members), running_by_user=users or {}, running_by_guild=guilds or {}, running_by_provider={})


def chosen(queue: Queue, caps: Caps) -> list[tuple[int, int | None]]:
    return [(g.user_id, g.guild_id) for g in choose(queue, caps, CAPACITY)]


def test_the_guild_with_the_fewest_running_comes_first() -> None:
    busy = queue((1, 10), (2, 20), users={9: 2}, guilds={10: 2})
    assert chosen(busy, MANY) == [(2, 20), (1, 10)]


def test_within_a_guild_the_member_with_the_fewest_running_comes_first() -> None:
    busy = queue((1, 10), (2, 10), users={1: 1}, guilds={10: 1})
    assert chosen(busy, MANY) == [(2, 10), (1, 10)]


def test_among_equals_the_oldest_comes_first() -> None:
    assert chosen(queue((3, 10), (2, 20), (1, 30)), MANY) == [(3, 10), (2, 20), (1, 30)]


def test_chosen_generations_count_immediately() -> None:
    crowd = queue((1, 10), (1, 10), (1, 10), (2, 20))
    assert chosen(crowd, Caps(per_user=9, per_guild=9, total=3)) == [(1, 10), (2, 20), (1, 10)]


def test_caps_are_not_exceeded() -> None:
    crowd = queue((1, 10), (1, 10), (1, 10), (2, 10), (3, 10))
    assert Counter(chosen(crowd, Caps(per_user=2, per_guild=3, total=9))) == {(1, 10): 1, (2, 10): 1, (3, 10): 1}
    assert len(chosen(crowd, Caps(per_user=2, per_guild=9, total=9))) == 4
    assert len(chosen(crowd, Caps(per_user=9, per_guild=9, total=2))) == 2


def test_a_generation_s_running_limit_replaces_the_cap_per_user() -> None:
    crowd = queue(*[(1, 10)] * 3, *[(2, 10)] * 3)
    limits = {1: 1, 2: 3}
    crowd = replace(crowd, waiting=tuple(g._replace(running_limit=limits[g.user_id]) for g in crowd.waiting))
    assert Counter(chosen(crowd, Caps(per_user=2, per_guild=9, total=9))) == {(1, 10): 1, (2, 10): 3}


def test_running_generations_count_towards_the_caps() -> None:
    full = queue((1, 10), (2, 20), (3, 30), users={1: 1, 8: 2}, guilds={10: 1, 20: 2})
    assert chosen(full, Caps(per_user=1, per_guild=2, total=9)) == [(3, 30)]
    assert chosen(full, Caps(per_user=9, per_guild=9, total=3)) == []


def test_direct_messages_of_different_members_do_not_count_together() -> None:
    messages = queue((1, None), (2, None), (3, None), (1, None), guilds={None: 7})
    assert chosen(messages, Caps(per_user=1, per_guild=1, total=9)) == [(1, None), (2, None), (3, None)]


def test_each_member_s_direct_messages_count_as_a_guild() -> None:
    busy = queue((1, None), (2, 20), users={1: 2, 9: 1}, guilds={None: 2, 20: 1})
    assert chosen(busy, MANY) == [(2, 20), (1, None)]


def test_a_full_provider_does_not_block_others() -> None:
    crowd = replace(queue((1, 10), (2, 20), (3, 30)), running_by_provider={"oxen": 1})
    other = candidate("k", 4, 40, 9, provider="oxlo")
    crowd = replace(crowd, waiting=(*crowd.waiting, other))
    assert [g.provider for g in choose(crowd, MANY, {"oxen": 2, "oxlo": 1})] == ["oxen", "oxlo"]


def test_generations_for_an_unavailable_provider_wait() -> None:
    assert choose(queue((1, 10), (2, 20)), MANY, {}) == []


# --- the slow lane ---------------------------------------------------------------------------------------------------


def slow_lane(*users: int, past: dict[int, int] | None = None, provider: str = "oxen") -> Queue:
    """One generation per member in the slow lane, each in its own guild, oldest first."""
    free = tuple(candidate(f"f{at:02d}", user, user * 10, at, lane=Lane.FREE, provider=provider) for at, user in enumerate(users))
    return replace(queue(), waiting=free, past_use=past or {})


def test_the_slow_lane_comes_after_paid_images() -> None:
    both = replace(slow_lane(8), waiting=(*slow_lane(8).waiting, *waiting((1, 10), (2, 20), (3, 30))))
    assert chosen(both, Caps(per_user=9, per_guild=9, total=3)) == [(1, 10), (2, 20), (3, 30)]
    assert chosen(both, MANY) == [(1, 10), (2, 20), (3, 30), (8, 80)]


def test_the_slow_lane_moves_while_paid_images_are_at_their_caps() -> None:
    both = replace(slow_lane(8), waiting=(*slow_lane(8).waiting, *waiting((1, 10))), running_by_user={1: 1})
    assert chosen(both, Caps(per_user=1, per_guild=9, total=9)) == [(8, 80)]


def test_in_the_slow_lane_the_member_with_the_fewest_images_comes_first() -> None:
    assert chosen(slow_lane(8, 9, 7, past={8: 30, 9: 2, 7: 2}), MANY) == [(9, 90)]


def test_the_slow_lane_sends_one_image_per_provider_at_a_time() -> None:
    two = replace(slow_lane(8, 9), waiting=(*slow_lane(8, 9).waiting, *slow_lane(7, provider="oxlo").waiting))
    capacity = {"oxen": 5, "oxlo": 5}
    assert sorted(g.provider for g in choose(two, MANY, capacity)) == ["oxen", "oxlo"]
    assert [g.provider for g in choose(replace(two, slow_turns=frozenset({"oxen"})), MANY, capacity)] == ["oxlo"]


# --- any queue -------------------------------------------------------------------------------------------------------

_member = st.tuples(st.integers(1, 6), st.sampled_from([None, 10, 20, 30]))
_caps = st.builds(Caps, per_user=st.integers(1, 4), per_guild=st.integers(1, 6), total=st.integers(0, 10))


@given(st.lists(_member, max_size=25), st.lists(_member, max_size=8), _caps)
def test_caps_hold_for_any_queue_and_no_fitting_generation_is_left(
    members: list[tuple[int, int | None]], running: list[tuple[int, int | None]], caps: Caps
) -> None:
    users, guilds = Counter(u for u, _ in running), Counter(s for _, s in running)
    crowd = queue(*members, users=dict(users), guilds=dict(guilds))
    taken = choose(crowd, caps, CAPACITY)
    users.update(g.user_id for g in taken)
    guilds.update(g.guild_id for g in taken)
    assert len(taken) <= max(0, caps.total - len(running))
    assert all(users[g.user_id] <= caps.per_user and (g.guild_id is None or guilds[g.guild_id] <= caps.per_guild) for g in taken)
    if users.total() < caps.total:
        left = {g.job_id for g in crowd.waiting} - {g.job_id for g in taken}
        blocked = [g for g in crowd.waiting if users[g.user_id] >= caps.per_user or (g.guild_id and guilds[g.guild_id] >= caps.per_guild)]
        assert left <= {g.job_id for g in blocked}
    assert choose(crowd, caps, CAPACITY) == taken


@given(st.lists(_member, min_size=1, max_size=25), st.lists(_member, max_size=8))
def test_the_least_served_always_comes_first(members: list[tuple[int, int | None]], running: list[tuple[int, int | None]]) -> None:
    users, guilds = Counter(u for u, _ in running), Counter(s for _, s in running)
    crowd = queue(*members, users=dict(users), guilds=dict(guilds))
    served = {g.job_id: users[g.user_id] if g.guild_id is None else guilds[g.guild_id] for g in crowd.waiting}
    least = [g for g in crowd.waiting if served[g.job_id] == min(served.values())]
    fewest = min(users[g.user_id] for g in least)
    assert choose(crowd, MANY, CAPACITY)[0] == next(g for g in least if users[g.user_id] == fewest)
