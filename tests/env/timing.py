"""The intervals of a bot under test. Apart from the stand-ins, so that a process which only runs the bot starts sooner."""

from __future__ import annotations

from bot.core.running.loops import Timing

BRISK = Timing(
    slow_s=1.0,
    poll_min_s=0.05,
    poll_max_s=0.1,
    lease_s=2.0,
    role_s=0.1,
    lookup_grace_s=0.2,
    retry_min_s=0.05,
    retry_max_s=0.3,
    ping_min_s=0.05,
    ping_max_s=0.2,
    stranded_s=0.3,
    progress_s=0.05,
    overwrite_s=0.2,
    early_s=5.0,
    first_list_s=0.3,
    reactions_quiet_s=0.2,
    reactions_longest_s=2.0,
    identify_s=0.1,
)
