"""What only the operator can mend is told once by all processes together, until it works again."""

from __future__ import annotations

from structlog.testing import capture_logs

from bot.core.clock import system
from bot.core.errors import ModelLocked, ProviderAccount
from bot.services.pipeline.last_failures import LastFailures, last_failures
from tests.services.conftest import Pipeline


async def test_a_problem_of_the_account_is_told_by_one_process_and_so_is_its_end(pipeline: Pipeline) -> None:
    first, second = (LastFailures(store=pipeline.store, clock=system) for _ in range(2))
    broke, locked = ProviderAccount("No credit.", detail="402 (at 9:41)"), ModelLocked("Locked.", detail="403")
    with capture_logs() as logs:
        for process in (first, second):
            await process.works("oxen", "klein")
        for process in (first, second):
            await process.keep("oxen", "klein", broke)
            await process.keep("oxen", "pro", locked)
        (kept,) = (await pipeline.store.read(last_failures, ["oxen"])).values()
        assert (kept.reason, kept.needs_operator) == ("403", True)
        second._fine.clear()  # as it does when it hears that another process has changed something
        for process in (second, first, second):
            await process.works("oxen", "klein")
    told = [(line["log_level"], line["event"], line["model"]) for line in logs]
    assert told[:2] == [("critical", "image API needs its operator", None), ("critical", "image API needs its operator", "pro")]
    assert set(told[2:]) == {("warning", "image API needs its operator is over", None)}
    assert not (await pipeline.store.read(last_failures, ["oxen"]))["oxen"].needs_operator
