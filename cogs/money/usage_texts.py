"""Texts and chart data of /usage."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Decimal

from bot.core.i18n import _, ngettext
from bot.core.numbers import number
from bot.domain.money.quota import in_credits, in_usd
from bot.domain.money.usage import GroupBy, UsageRow
from bot.media.chart import SERIES_MAX, Chart, Series
from bot.services.money.accounts import AccountStatement, UsageReport, UsageSummary
from cogs.kit.texts import amount_of, meter, quoted

_ROWS_SHOWN = 15
_COLUMNS_MAX = 31  # days; a longer range is drawn in weeks
_WEEK = 7

Titles = Callable[[str], str]
Names = Mapping[int, str]  # by user id; unknown names are empty or missing


def heading(report: UsageReport, *, member_id: int | None = None) -> str:
    """The title with the summary."""
    title = "## " + (_("Usage on this server") if member_id is None else _("Usage by {member}").format(member=f"<@{member_id}>"))
    return "\n".join([title, *summary(report)])


def summary(usage: UsageSummary) -> Iterator[str]:
    """The range, its totals, and the budget; the settings' panel shows the same."""
    days = ngettext("Last day", "Last {days} days", _days(usage)).format(days=_days(usage))
    yield f"**{days}** · {_sums(usage.whole, usage)}"
    if usage.whole.refunded:
        yield "-# " + _("{amount} refunded.").format(amount=amount_of(usage.whole.refunded))
    if corrected := usage.whole.corrected:
        sentence = (
            _("The image services charged ${amount} more than expected.")
            if corrected > 0
            else _("The image services charged ${amount} less than expected.")
        )
        yield "-# " + sentence.format(amount=_usd(abs(corrected), usage))
    if usage.budget is not None:
        yield "**" + _("This month's budget") + "**"
        yield budget(usage.budget, usage)


def budget(account: AccountStatement, usage: UsageSummary) -> str:
    """What is left of it."""
    statement, size = account.statement, 0 if account.account.fills is None else account.account.fills.size
    left = _("**${left}** of ${size} left").format(left=_usd(statement.available, usage), size=_usd(size, usage))
    return f"{meter(statement.available, statement.held, size)} {left}"


def _usd(micro: int, usage: UsageSummary) -> str:
    """Dollars and cents; four digits below a dollar, since one image costs cents. Rounded down: no text promises too much."""
    dollars = in_usd(micro, usage.credit_usd)
    decimals = 2 if dollars >= 1 or not dollars else 4
    return number(dollars.quantize(Decimal(10) ** -decimals, ROUND_FLOOR), decimals=decimals, fixed=True)


def rows(report: UsageReport, title_of: Titles) -> str:
    """The first rows of the table."""
    return "\n".join(_rows(report, title_of))


def _rows(report: UsageReport, title_of: Titles) -> Iterator[str]:
    for place, each in enumerate(report.rows[:_ROWS_SHOWN], 1):
        yield f"{place}. {_name(each, title_of)} · {_sums(each, report)}"
    if (more := len(report.rows) - _ROWS_SHOWN) > 0:
        yield "-# " + ngettext("{count} more in the file", "{count} more in the file", more).format(count=number(more))
    if not report.rows:
        yield _("No images.")


def _name(each: UsageRow, title_of: Titles) -> str:
    if each.user_id is not None:
        return f"<@{each.user_id}>" if each.user_id else _("Members who deleted their data")
    return quoted(title_of(each.model)) if each.model is not None else _date(each.day)


def _date(day: date | None) -> str:
    """A day in UTC. Discord shows a time in the reader's zone, and noon is the same day in nearly all of them."""
    return "" if day is None else f"<t:{int(datetime.combine(day, time(12), UTC).timestamp())}:d>"


def _sums(each: UsageRow, usage: UsageSummary) -> str:
    images = ngettext("{count} image", "{count} images", each.images).format(count=number(each.images))
    failed = ngettext("{count} failed", "{count} failed", each.failed).format(count=number(each.failed)) if each.failed else ""
    return " · ".join(filter(None, [images, f"{amount_of(each.price)} (${_usd(each.cost, usage)})", failed]))


def _days(usage: UsageSummary) -> int:
    return (_day(usage.until - 1) - _day(usage.since)).days + 1


def _day(at: int) -> date:
    return datetime.fromtimestamp(at / 1000, tz=UTC).date()


# --- the chart -------------------------------------------------------------------------------------------------------


def chart(report: UsageReport, title_of: Titles, names: Names) -> Chart:
    """Stacked bars by member or model, one per day, or one per week for a long range."""
    width = 1 if _days(report) <= _COLUMNS_MAX else _WEEK
    starts = _columns(report, width)
    series: dict[object, list[int]] = {}
    for each in report.daily:
        values = series.setdefault(each.user_id or each.model, [0] * len(starts))
        if each.day is not None:
            values[len(starts) - 1 - (_day(report.until - 1) - each.day).days // width] += each.cost
    others = series.pop(None, []) if report.by is not GroupBy.DAY else []
    return Chart(
        title=_title(report, width),
        columns=tuple(f"{start:%m-%d}" for start in starts),
        series=tuple(Series(name=_series_name(key, title_of, names), values=tuple(values)) for key, values in series.items()),
        others=tuple(others),
        others_count=sum(each.cost > 0 for each in report.rows[SERIES_MAX:]) if others else 0,
        usd_per_credit=Decimal(str(report.credit_usd)),
        credits_name=_("credits"),
        others_name=_("others"),
        empty=_("nothing spent"),
    )


def _columns(report: UsageReport, width: int) -> list[date]:
    """The first day of each column; the last column ends today, the first may be shorter."""
    last, count = _day(report.until - 1), -(-_days(report) // width)
    return [max(last - timedelta(days=width * number - 1), _day(report.since)) for number in range(count, 0, -1)]


def _title(report: UsageReport, width: int) -> str:
    titles = {
        (GroupBy.MEMBER, 1): _("Credits per day, by member"),
        (GroupBy.MODEL, 1): _("Credits per day, by model"),
        (GroupBy.DAY, 1): _("Credits per day"),
        (GroupBy.MEMBER, _WEEK): _("Credits per week, by member"),
        (GroupBy.MODEL, _WEEK): _("Credits per week, by model"),
        (GroupBy.DAY, _WEEK): _("Credits per week"),
    }
    return titles[report.by, width]


def _series_name(key: object, title_of: Titles, names: Names) -> str:
    if isinstance(key, int):
        return names.get(key, "")  # without a name the chart shows the row's number, as the table does
    return title_of(key) if isinstance(key, str) else _("all")


def alt(report: UsageReport) -> str:
    """The chart's alternative text."""
    days = _days(report)
    sentence = ngettext(
        "Bar chart of the {amount} credits spent in the last day.",
        "Bar chart of the {amount} credits spent in the last {days} days.",
        days,
    )
    return sentence.format(days=days, amount=in_credits(report.whole.cost, up=True))
