"""The measures of the proof, on images that are known: they would find what must not happen."""

from __future__ import annotations

from tests.many.made import CountedImage, most_at_once, most_beyond_rate, overtaken


def image(user: int, began_ms: int, ended_ms: int) -> CountedImage:
    prompt = f"{user} at {began_ms}"
    return CountedImage(api="oxen", prompt=prompt, seed=1, user=user, guild=user % 2, began_ms=began_ms, ended_ms=ended_ms, is_paid=True)


def test_images_at_the_same_time_are_counted_in_total_and_for_each() -> None:
    images = [image(1, 0, 10), image(2, 5, 20), image(3, 6, 10), image(1, 10, 30)]  # the last begins when two of them end
    assert most_at_once(images) == 3
    assert most_at_once(images, lambda each: each.user) == 1
    assert most_at_once(images, lambda each: each.guild) == 2


def test_a_rate_allows_all_of_a_minute_at_once_and_then_its_pace() -> None:
    at_once, at_its_pace = [image(1, 1_000, 1_001)] * 10, [image(1, 1_000 + 6_000 * n, 0) for n in range(1, 20)]
    assert most_beyond_rate([*at_once, *at_its_pace], per_minute=10) < 0.01
    assert most_beyond_rate([*at_once, *at_its_pace, at_its_pace[-1]], per_minute=10) > 0.99


def test_who_waits_behind_whom_is_counted_by_the_order_of_beginning() -> None:
    images = [image(1, 10, 0), image(1, 20, 0), image(7, 25, 0), image(1, 30, 0)]
    assert list(overtaken(images, ordered_ms={"7 at 25": 15}, heavy=[1])) == [1]
