"""How long the local image APIs take."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ApiTiming:
    """Durations in seconds. The defaults suit a person who watches; `FAST` suits tests."""

    queue_s: float = 0.5  # from queued to processing
    image_min_s: float = 3.0
    image_max_s: float = 6.0
    keep_alive_s: float = 15.0  # idle time on the event stream before a keep-alive comment is sent
    link_lifetime_s: float = 3600.0  # of links to results
    retry_after_s: int = 1  # in a 429 answer

    def image_s(self, prompt: str, seed: int) -> float:
        """The duration of one image, always the same for the same prompt and seed."""
        return random.Random(f"{prompt}|{seed}|seconds").uniform(self.image_min_s, self.image_max_s)


FAST = ApiTiming(queue_s=0.01, image_min_s=0.05, image_max_s=0.05, retry_after_s=0)
