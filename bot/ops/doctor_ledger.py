"""`python -m bot doctor --ledger`: proves that every credit is accounted for, also beside a running bot."""

from __future__ import annotations

from collections.abc import Callable

from bot.core.config import Settings
from bot.ops.findings import Finding, Mark
from bot.store.engine.opening import read_beside
from bot.store.money import audit

_WHAT = "ledger"


async def prove(settings: Settings, *, show: Callable[[Finding], object]) -> bool:
    """Show a line for each discrepancy, or one that says what was proved; whether nothing is wrong. Raises `StartError`."""
    proof = await read_beside(settings.database, audit.prove)
    for sentence in proof.wrong:
        show(Finding(mark=Mark.BAD, what=_WHAT, text=sentence))
    if proof.wrong:
        return False
    counted = f"{proof.accounts} accounts, {proof.lines} lines and {proof.images} pictures"
    show(Finding(mark=Mark.OK, what=_WHAT, text=f"{counted} were read, and every credit is accounted for."))
    return True
