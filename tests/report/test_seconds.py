"""Whole seconds as people and files see them."""

import pandas as pd
import pytest

from eqci_space.words import whole_seconds


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("20:05:08.6", "20:10:00.2", ("20:05:08", "20:10:01")),
        ("20:05:08.4", "20:10:00.7", ("20:05:08", "20:10:01")),
        ("20:05:08", "20:10:00", ("20:05:08", "20:10:00")),
        ("20:05:08.999999", "20:10:00.000001", ("20:05:08", "20:10:01")),
    ],
)
def test_an_interval_is_shown_from_the_second_before_to_the_second_after(start, end, shown):
    times = [pd.Timestamp(f"2027-03-01T{t}Z") for t in (start, end)]
    assert tuple(f"{t:%H:%M:%S}" for t in whole_seconds(*times)) == shown
    columns = whole_seconds(*(pd.Series([t, pd.NaT]) for t in times))
    assert tuple(f"{c[0]:%H:%M:%S}" for c in columns) == shown
    assert [c.isna().tolist() for c in columns] == [[False, True]] * 2
    indices = whole_seconds(*(pd.DatetimeIndex([t]) for t in times))
    assert tuple(f"{i[0]:%H:%M:%S}" for i in indices) == shown
