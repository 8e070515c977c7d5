"""Texts of /quota, /gift, /sponsor and /leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.core.i18n import N_, _, ngettext
from bot.core.numbers import number
from bot.domain.catalog.models import ModelInfo
from bot.domain.money.accounts import AccountKind, kind_of
from bot.domain.money.ledger import Entry, LedgerLine, Statement
from bot.domain.money.quota import DAY_MS, MICRO, Bucket, in_credits
from bot.domain.money.sponsorship import Sponsorship, SponsorshipState
from bot.services.money.accounts import AccountStatement, Balances
from cogs.kit.texts import PANEL_MAX, amount_of, meter, price, quoted

_ENTRIES_SHOWN = 5
_PRICES_SHOWN = 15
_GIVEN_BACK = N_("{amount} refunded")
_LEDGER_WORDS = {
    Entry.OPEN: N_("{amount} to start with"),
    Entry.REFILL: N_("{amount} refilled"),
    Entry.HOLD: N_("{amount} reserved"),
    Entry.SETTLE: N_("{amount} spent"),
    Entry.RELEASE: _GIVEN_BACK,
    Entry.REFUND: _GIVEN_BACK,
    Entry.SIZE: N_("{amount} from a changed quota"),
    Entry.GRANT: N_("{amount} granted"),
    Entry.REWARD: N_("{amount} as a reward"),
    Entry.GIFT: N_("{amount} as a gift"),
    Entry.SPONSOR: N_("{amount} sponsored"),
    Entry.CORRECT: N_("{amount} corrected"),
    Entry.RETURN: N_("{amount} returned from sponsoring"),
}


# --- balances --------------------------------------------------------------------------------------------------------


def quota(balances: Balances, models: Sequence[ModelInfo], now: int) -> str:
    """The text of /quota: balances, prices and the latest ledger entries. `now` in Unix ms."""
    return "\n".join(_quota(balances, models, now))[:PANEL_MAX]


def _quota(balances: Balances, models: Sequence[ModelInfo], now: int) -> Iterator[str]:
    if balances.sponsor is not None:
        yield paid_by(balances.sponsor)
    shared = kind_of(balances.own.account.name) is AccountKind.POOL
    yield "## " + (_("This server's shared pool") if shared else _("Your credits"))
    yield from _account(balances.own, now)
    if shared:
        yield "-# " + _("You use the pool, like everyone here without credits from a role.")
    granted = () if balances.granted is None else balances.granted.statement.lines
    if balances.granted is not None and granted:
        left = in_credits(balances.granted.statement.available)
        yield _("**{left}** extra credits you were granted or given on this server. They're used first.").format(left=left)
    yield from (hosting(each) for each in balances.hosting)
    if balances.pool is not None:
        yield "### " + _("This server's shared pool")
        yield from _account(balances.pool, now)
    if balances.budget is not None:
        yield "### " + _("This server's monthly budget")
        yield _budget(balances.budget, renews_at=balances.renews_at)
    yield "### " + _("Prices")
    yield from (f"{quoted(model.title)}: {price(model)}" for model in models[:_PRICES_SHOWN])
    if (more := len(models) - _PRICES_SHOWN) > 0:
        yield "-# " + _("{count} more in /models").format(count=number(more))
    yield "### " + _("Recent activity")
    latest = sorted((*balances.own.statement.lines, *granted), key=lambda line: line.at, reverse=True)
    entries = [ledger_line(line) for line in latest if _is_worth_a_line(line)][:_ENTRIES_SHOWN]
    yield from entries or [_("Nothing yet.")]


def _account(balance: AccountStatement, now: int) -> Iterator[str]:
    """A bucket: what is left of it, and when it will be full."""
    bucket, statement = balance.account.fills, balance.statement
    if not isinstance(bucket, Bucket):
        return
    yield meter(statement.available, statement.held, bucket.size)
    yield _("**{left}** of {size} left · {reserved} reserved · {spent} spent").format(
        left=in_credits(statement.available),
        size=in_credits(bucket.size),
        reserved=in_credits(statement.held),
        spent=in_credits(statement.spent),
    )
    yield _refill(statement, bucket, now)


def _budget(balance: AccountStatement, *, renews_at: int | None) -> str:
    statement, size = balance.statement, 0 if balance.account.fills is None else balance.account.fills.size
    left = _("**{left}** of {size} credits left · renews <t:{at}:R>")
    line = left.format(left=in_credits(statement.available), size=in_credits(size), at=(renews_at or 0) // 1000)
    return f"{meter(statement.available, statement.held, size)}\n{line}"


def _refill(statement: Statement, bucket: Bucket, now: int) -> str:
    if bucket.refill_per_day <= 0:
        return _("Credits don't refill here. Ask the people who run this bot.")
    amount = in_credits(bucket.refill_per_day)
    if statement.available + statement.held >= bucket.size:
        return _("Full. Refills {amount} credits a day.").format(amount=amount)
    # The time of the next whole credit.
    missing = MICRO - statement.available % MICRO
    moments = {"next": f"<t:{(now + missing * DAY_MS // bucket.refill_per_day) // 1000}:R>", "amount": amount}
    if not statement.full_at:
        return _("Next credit {next}. Refills {amount} a day.").format(**moments)
    return _("Next credit {next}, full {full}. Refills {amount} a day.").format(**moments, full=f"<t:{statement.full_at // 1000}:R>")


def _is_worth_a_line(line: LedgerLine) -> bool:
    """A refill so small that it would show as 0 is left out."""
    return line.entry is not Entry.REFILL or in_credits(line.available) != "0"


def ledger_line(line: LedgerLine) -> str:
    """One entry of the ledger."""
    amount = in_credits(max(abs(line.available), abs(line.held), abs(line.spent)))
    words = _(_LEDGER_WORDS[line.entry]).format(amount=amount)
    return f"<t:{line.at // 1000}:R> {words}"


# --- gifts -----------------------------------------------------------------------------------------------------------


def gift(giver_id: int, receiver_id: int, amount: int) -> str:
    """The public message about a gift."""
    sentence = _("{giver} gave {receiver} {amount}.")
    return "🎁 " + sentence.format(giver=f"<@{giver_id}>", receiver=f"<@{receiver_id}>", amount=amount_of(amount))


# --- sponsorships ----------------------------------------------------------------------------------------------------


def announcement(sponsorship: Sponsorship, now: int) -> str:
    """The public message: who pays, until when, and the credits left; or the total once it is over. `now` in Unix ms."""
    host, used = f"<@{sponsorship.host_id}>", in_credits(sponsorship.spent + sponsorship.held)
    if sponsorship.state is SponsorshipState.CLOSED or sponsorship.until <= now:
        is_known = sponsorship.host_id > 0  # else a pseudonym: the host erased their data
        sentence = (
            _("{host}'s sponsorship has ended. It covered {used} of {cap}.")
            if is_known
            else _("A sponsorship has ended. It covered {used} of {cap}.")
        )
        return "💛 " + sentence.format(host=host, used=used, cap=amount_of(sponsorship.cap))
    lines = [
        "### 💛 " + _("{host} sponsors everyone here").format(host=host),
        meter(sponsorship.left, sponsorship.held, sponsorship.cap),
        _("**{left}** of {cap} credits left, until <t:{at}:f> (<t:{at}:R>).").format(
            left=in_credits(sponsorship.left), cap=in_credits(sponsorship.cap), at=sponsorship.until // 1000
        ),
        "-# " + _("When it's used up, everyone pays for themselves again. Unused credits go back to the sponsor."),
    ]
    return "\n".join(lines)


def paid_by(sponsorship: Sponsorship) -> str:
    """The line of /quota about a sponsor of this channel."""
    sentence = _("{host} is sponsoring everyone here until <t:{at}:f>, with {left} left.")
    return "💛 " + sentence.format(host=f"<@{sponsorship.host_id}>", at=sponsorship.until // 1000, left=amount_of(sponsorship.left))


def hosting(sponsorship: Sponsorship) -> str:
    """What a member pays for."""
    sentence = _("You're sponsoring everyone in {channel} until <t:{at}:f>, with {left} left.")
    channel, left = f"<#{sponsorship.channel_id}>", amount_of(sponsorship.left)
    return "💛 " + sentence.format(channel=channel, at=sponsorship.until // 1000, left=left)


def stopped(sponsorship: Sponsorship, returned: int) -> str:
    """The answer after a sponsorship was ended."""
    back = _("Ended. {host} got {amount} back.").format(amount=amount_of(returned), host=f"<@{sponsorship.host_id}>")
    if not sponsorship.held:
        return f"💛 {back}"
    return f"💛 {back} " + _("Credits reserved for images in progress come back later if they aren't used.")


def host_notice(server: str | None, returned: int) -> str:
    """The DM to a host whose channel was deleted; without a name, the bot was removed from its server."""
    if server is None:
        sentence = _(
            "💛 Easel was removed from a server where you sponsored a channel, so your sponsorship ended. You were refunded {amount}."
        )
    else:
        sentence = _("💛 The channel you sponsored on {server} was deleted, so your sponsorship ended. You were refunded {amount}.")
    return sentence.format(server=quoted(server or ""), amount=amount_of(returned))


# --- the leaderboard -------------------------------------------------------------------------------------------------


def leaderboard(found: Sequence[tuple[int, int]], *, days: int) -> str:
    """The leaderboard, from pairs of user id and number of images."""
    medals = ("🥇", "🥈", "🥉")
    lines = [
        f"{medals[place] if place < len(medals) else f'**{place + 1}.**'} <@{user_id}> · "
        + ngettext("{count} image", "{count} images", count).format(count=number(count))
        for place, (user_id, count) in enumerate(found)
    ]
    head = "## " + ngettext("Most images in the last day", "Most images in the last {days} days", days).format(days=days)
    opt_out = "-# " + _("You can opt out in /settings.")
    return "\n".join([head, *(lines or [_("Nobody yet.")]), opt_out])
