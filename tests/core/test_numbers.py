"""Numbers in each language, and numbers as people type them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core import i18n
from bot.core.numbers import number, with_point


@pytest.fixture(autouse=True)
def _catalogues() -> None:
    i18n.load()


@pytest.mark.parametrize(
    ("locale", "fraction", "thousands"),
    [
        ("en-GB", "1.4", "1,234,567.89"),
        ("ja", "1.4", "1,234,567.89"),
        ("de", "1,4", "1.234.567,89"),
        ("es-419", "1,4", "1.234.567,89"),
        ("pt-BR", "1,4", "1.234.567,89"),
        ("fr", "1,4", "1\xa0234\xa0567,89"),
        ("ko", "1.4", "1,234,567.89"),
    ],
)
def test_each_language_writes_numbers_in_its_own_way(locale: str, fraction: str, thousands: str) -> None:
    with i18n.speaking(locale):
        assert (number(1.4), number(Decimal("1234567.891"))) == (fraction, thousands)


@pytest.mark.parametrize(("value", "shown"), [(20, "20.00"), (0.2, "0.20"), (1234.5, "1,234.50")])
def test_money_has_as_many_decimals_as_asked_for(value: float, shown: str) -> None:
    assert number(value, fixed=True) == shown


@pytest.mark.parametrize(
    ("typed", "read"),
    [("3,5", "3.5"), ("-0,125", "-0.125"), ("12,50", "12.50"), ("1,000", "1,000"), ("1,234.5", "1,234.5"), ("3.5", "3.5"), ("a,b", "a,b")],
)
def test_a_decimal_comma_is_read_where_it_cannot_mean_thousands(typed: str, read: str) -> None:
    assert with_point(typed) == read
