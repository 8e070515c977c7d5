"""2,000 mutated files: each is an image or refused, within a time and a memory, and none ends the process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.media import mutation_run

CPU_S = 30.0  # of 2,000 files; a fifth of it is usual
SLOWEST_S = 3.0
PEAK_BYTES = 200 * 1024 * 1024  # what the most expensive format takes for an image of `mutation_run.MAX_PIXELS`, and as much again


def outcome(seed: int, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", mutation_run.__name__, str(seed), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  our own words
    assert done.returncode == 0, done.stderr  # libvips may print warnings at the end
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_a_mutated_file_is_an_image_or_is_refused(seed: int) -> None:
    result = outcome(seed, 2000)
    assert result["wrong"] == []
    assert min(result["read"], result["refused"]) > 400
    assert result["cpu_s"] < CPU_S
    assert result["slowest_s"] < SLOWEST_S
    assert result["peak_bytes"] < PEAK_BYTES
