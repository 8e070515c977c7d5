"""The event stream decoder, compared with the standard's examples and with a literal implementation of its text."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.providers.sse import DEFAULT_MAX_EVENT_BYTES, Decoder, ServerEvent


def decode(*chunks: bytes, limit: int = DEFAULT_MAX_EVENT_BYTES) -> list[ServerEvent]:
    decoder = Decoder(max_event_bytes=limit)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def data_of(*chunks: bytes) -> list[str]:
    return [event.data for event in decode(*chunks)]


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(borders)]


def reference(stream: bytes, limit: int = DEFAULT_MAX_EVENT_BYTES) -> list[tuple[str, str, str]]:
    """A literal implementation of the standard, for a whole stream at once, and of the limit."""
    text = stream.decode("utf-8", errors="replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    data, type_, id_buffer, size, events = "", "", "", 0, []
    for line in text.split("\n")[:-1]:  # the text after the last line end is not a line
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        size += 0 if line.startswith(":") else len(line.encode())
        if line == "":
            if data and size <= limit:
                events.append((type_ or "message", data.removesuffix("\n"), id_buffer))
            data, type_, size = "", "", 0
        elif size > limit:
            continue
        elif name == "event":
            type_ = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            id_buffer = value
    return events


PIECES = st.sampled_from(
    [
        b"data",
        b"event",
        b"id",
        b"retry",
        b":",
        b": ",
        b" ",
        b"\r",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"x",
        b"7",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\xe2\x82",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=4), max_size=40).map(b"".join)

LINES = st.sampled_from(
    [
        b"",
        b"",
        b"data",
        b"data:",
        b"data: ",
        b"data:  two spaces",
        b"data:data: x",
        b"data: " + b"x" * 40,
        b"data: \xe2\x82\xac\xff\xe2\x82",
        b"data: \xc2\x85 \xe2\x80\xa8 \x0b",  # ends of lines elsewhere, not here
        b"event: done",
        b"event:",
        b"event: ",
        b"id: 1",
        b"id:",
        b"id: 1\0",
        b"retry: 5",
        b": ping",
        b":",
        b"other: x",
    ]
)
LINE_ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
LONG_STREAMS = st.lists(st.tuples(LINES, LINE_ENDS).map(b"".join), min_size=60, max_size=300).map(b"".join)  # whole events in one chunk


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 120), max_size=8))
def test_a_stream_split_anywhere_is_decoded_as_in_the_standard(stream: bytes, cuts: list[int]) -> None:
    assert decode(*split(stream, cuts)) == reference(stream)


@given(stream=STREAMS)
def test_a_stream_split_into_bytes_gives_the_same_events(stream: bytes) -> None:
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == decode(stream)


@given(stream=LONG_STREAMS, cuts=st.lists(st.integers(0, 4000), max_size=4), limit=st.sampled_from([20, 60, 2000, 50_000]))
def test_a_long_stream_is_decoded_as_in_the_standard_and_within_the_limit(stream: bytes, cuts: list[int], limit: int) -> None:
    assert decode(*split(stream, cuts), limit=limit) == reference(stream, limit)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            ["first event", "second event", " third event"],
        ),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n"]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
    ],
)
def test_the_standard_s_examples_are_decoded(stream: bytes, expected: list[str]) -> None:
    assert data_of(stream) == expected


def test_every_line_end_ends_a_line() -> None:
    assert data_of(b"data: a\rdata: b\r\ndata: c\n\r\n") == ["a\nb\nc"]


def test_a_crlf_split_between_two_chunks_is_one_line_end() -> None:
    assert data_of(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == ["a\nb"]


def test_an_event_that_ends_in_cr_does_not_wait_for_the_next_chunk() -> None:
    assert data_of(b"data: a\r\r") == ["a"]


def test_a_byte_order_mark_is_ignored_only_at_the_start() -> None:
    assert data_of(b"\xef\xbb", b"\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n") == ["a"]


def test_bad_utf8_becomes_replacement_characters() -> None:
    assert data_of(b"data: a\xff\xe2\x82\n\n") == ["a\ufffd\ufffd"]


def test_a_character_split_between_two_chunks_is_one_character() -> None:
    assert data_of(b"data: \xe2\x82", b"\xac\xe2", b"\x82\n\n") == ["\u20ac\ufffd"]


def test_an_event_without_data_is_ignored_and_its_type_is_reset() -> None:
    assert [(event.type, event.data) for event in decode(b"event: x\n\ndata: y\n\n")] == [("message", "y")]


def test_an_id_is_kept_until_it_changes_and_may_not_contain_null() -> None:
    ids = [event.last_event_id for event in decode(b"id: 1\ndata\n\ndata\n\nid: 2\0\ndata\n\nid\ndata\n\n")]
    assert ids == ["1", "1", "1", ""]


def test_a_reconnection_time_is_digits_only() -> None:
    decoder = Decoder()
    decoder.feed(b"retry: 3000\nretry: 5s\nretry: -1\nretry: \xd9\xa3\n")
    assert decoder.retry_ms == 3000


def test_an_event_with_fields_in_another_order_is_read_in_full_within_a_long_chunk() -> None:
    other = b"id: 7\nretry: 5\ndata: a\nevent: done\ndata:data: b\n\n"
    decoder = Decoder()
    events = decoder.feed(b"data: x\n\n" * 100 + other + b"data: x\n\n" * 100)
    assert (len(events), events[100], decoder.retry_ms) == (201, ("done", "a\ndata: b", "7"), 5)


def test_an_unfinished_event_at_the_end_is_ignored() -> None:
    assert data_of(b"data: a\n\ndata: b\n") == ["a"]


@pytest.mark.parametrize(
    "huge", [b"data: " + b"x" * 5000 + b"\n", b"data: xx\n" * 500, b"y" * 5000 + b"\n", b"\xef\xbb\xbf" + b"data: " + b"x" * 95 + b"\n"]
)
def test_an_event_over_the_limit_is_dropped_and_decoding_continues(huge: bytes) -> None:
    decoder = Decoder(max_event_bytes=100)
    events = decoder.feed(huge + b"data: more\n\ndata: next\n\n")
    assert ([event.data for event in events], decoder.dropped) == (["next"], 1)


def test_an_event_of_exactly_the_limit_is_kept_after_a_byte_order_mark() -> None:
    decoder = Decoder(max_event_bytes=100)
    assert len(decoder.feed(b"\xef\xbb\xbfdata: " + b"x" * 94 + b"\n\n")) == 1


def test_a_long_comment_drops_nothing() -> None:
    decoder = Decoder(max_event_bytes=100)
    assert [event.data for event in decoder.feed(b"data: a\n:" + b"x" * 5000 + b"\n\n")] == ["a"]
    assert decoder.dropped == 0


@pytest.mark.parametrize("unit", [b"data: " + b"x" * 5000, b"data:xy\n", "data:\U0001f3a8\n".encode(), b":" + b"x" * 5000 + b"\n", b"\r"])
def test_a_flood_uses_no_more_memory_than_a_few_times_the_limit(unit: bytes) -> None:
    decoder = Decoder(max_event_bytes=100_000)
    flood = unit * (8000 // len(unit) + 1)
    tracemalloc.start()
    for _ in range(100):
        decoder.feed(flood)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 800_000
