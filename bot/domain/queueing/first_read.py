"""When a generation is first read that an image API has accepted, if no event comes before. Pure. Times are Unix ms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FirstRead:
    """What this depends on, but for the event stream, which another process may listen to."""

    provider: str | None  # whose event stream it is; None if it has none
    now: int
    sent_at: int  # when sending began
    polled_at: int  # without a stream
    patient_at: int  # with one

    def at(self, stream_since: int | None) -> int:
        """`stream_since`: since when events are heard; None while they are not.

        If the stream was connected after the sending began, the event may have been missed: read it at once.
        """
        if stream_since is None:
            return self.polled_at
        return self.patient_at if self.sent_at > stream_since else self.now
