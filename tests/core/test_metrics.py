"""The metrics as text. tests/services/operating tests the page that serves them."""

from __future__ import annotations

import pytest

from bot.core import config, metrics
from bot.core.errors import StartError


def test_the_text_has_every_metric_with_its_type() -> None:
    metrics.OUTBOX.labels("deliver", "done").inc()
    lines = metrics.exposition().decode().splitlines()
    assert {"# TYPE easel_provider_up gauge", "# TYPE easel_submissions_total counter"} <= set(lines)
    assert any(line.startswith('easel_outbox_total{kind="deliver",outcome="done"}') for line in lines)


def test_there_is_no_page_by_default() -> None:
    settings = config.load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b"}, env_file=None)
    assert (settings.metrics_port, settings.metrics_host) == (0, "127.0.0.1")


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_an_invalid_port_is_refused(port: str) -> None:
    with pytest.raises(StartError, match="METRICS_PORT must be a whole number from 0 to 65535"):
        config.load({"DISCORD_TOKEN": "a", "OXEN_API_KEY": "b", "METRICS_PORT": port}, env_file=None)
