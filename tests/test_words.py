"""Words for results: what sampled worlds of a period are called, and amounts at the edges of their prefixes."""

from datetime import UTC, datetime, timedelta

import pytest

from eqci_space.words import format_bits, percent, short_list, such_periods

START = datetime(2027, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "word"),
    [
        (1, "days"), (7, "weeks"), (28, "months"), (29, "months"), (30.5, "months"), (31, "months"), (365, "years"),
        (365.5, "years"), (366, "years"),
        (0.5, "periods"), (0.99, "periods"), (1.01, "periods"), (2, "periods"), (6.99, "periods"), (7.01, "periods"),
        (14, "periods"), (27.9, "periods"), (31.1, "periods"), (60, "periods"), (364, "periods"), (367, "periods"),
    ],
)  # fmt: skip
def test_sampled_worlds_are_called_by_the_length_of_their_period(days, word):
    assert such_periods(START, START + timedelta(days=days)) == word


@pytest.mark.parametrize(
    ("start", "end", "word"),
    [
        ((2027, 2, 1), (2027, 3, 1), "months"), ((2028, 2, 1), (2028, 3, 1), "months"),
        ((2027, 7, 1), (2027, 8, 1), "months"), ((2027, 1, 1), (2028, 1, 1), "years"),
        ((2028, 1, 1), (2029, 1, 1), "years"), ((2027, 12, 31), (2028, 1, 1), "days"),
        ((2027, 1, 1), (2027, 4, 1), "periods"),
    ],
)  # fmt: skip
def test_months_and_years_of_the_calendar_have_their_names(start, end, word):
    first, last = (datetime(*date, tzinfo=UTC) for date in (start, end))
    assert such_periods(first, last) == word


def test_a_period_from_one_zone_to_another_counts_real_hours():
    """Noon in Berlin, summer time, to noon UTC a week later is two hours more than a week."""
    berlin = datetime.fromisoformat("2027-07-01T12:00:00+02:00")
    assert such_periods(berlin, datetime(2027, 7, 8, 10, tzinfo=UTC)) == "weeks"
    assert such_periods(berlin, datetime(2027, 7, 8, 12, tzinfo=UTC)) == "periods"


@pytest.mark.parametrize(
    ("bit", "text"),
    [
        (0, "0 bit"), (999.4, "999 bit"), (1000, "1 kbit"), (1234, "1.23 kbit"), (7.018e6, "7.02 Mbit"),
        (999_400, "999 kbit"), (999_600, "1000 kbit"), (1e6, "1 Mbit"), (2.5e9, "2.5 Gbit"), (-3.21e6, "-3.21 Mbit"),
    ],
)  # fmt: skip
def test_amounts_have_three_digits_and_a_prefix(bit, text):
    assert format_bits(bit) == text


def test_shares_and_lists():
    assert [percent(0.25), percent(0.1234, 1), percent(1)] == ["25 %", "12.3 %", "100 %"]
    assert short_list(["a", "b", "c"], most=3) == "a, b, c"
    assert short_list(["a", "b", "c"], most=1) == "a and 2 more"
