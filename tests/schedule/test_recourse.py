"""Backups on the night: who flies under which forecast, by hand."""

import numpy as np
import pandas as pd
import pytest
from plan_cases import at

from eqci_space.schedule.recourse import night_choices


def contacts(*rows):
    """CONTACTS from (id, ogs, window, minute, status, backup of)."""
    return pd.DataFrame(
        [
            {"contact_id": name, "satellite": "S", "ogs": ogs, "window_id": window, "start": at(0, minute),
             "end": at(0, minute + 2), "status": status, "backup_of": of}
            for name, ogs, window, minute, status, of in rows
        ]
    ).set_index("contact_id")  # fmt: skip


ONE = contacts(("a", "A", "wa", 0, "planned", ""), ("b", "B", "wb", 0, "backup", "a"))
SKIES = np.array([[True, True], [True, False], [False, True], [False, False]])


def test_a_perfect_forecast_flies_the_backup_only_where_it_alone_is_clear():
    flown = night_choices(ONE, SKIES, skill=1.0, rng=1)
    assert flown.tolist() == [[True, False], [True, False], [False, True], [True, False]]


def test_without_skill_the_plan_stands():
    assert night_choices(ONE, SKIES, skill=0.0, rng=1).tolist() == [[True, False]] * 4


def test_the_share_of_useful_changes_is_the_skill():
    clear = np.tile([[False, True]], (20_000, 1))
    flown = night_choices(ONE, clear, skill=0.6, rng=3)
    assert flown[:, 1].mean() == pytest.approx(0.6, abs=4 * np.sqrt(0.6 * 0.4 / 20_000))
    assert (flown.sum(axis=1) == 1).all()
    assert (night_choices(ONE, clear, skill=0.6, rng=3) == flown).all()


@pytest.mark.parametrize(
    ("station", "window", "minute", "both"),
    [("B", "wb", 1, False), ("B", "wc", 1, False), ("C", "wc", 1, False), ("C", "wc", 3, True)],
)
def test_of_backups_that_clash_the_first_flies(station, window, minute, both):
    """One window, one station at a time, one satellite at a time; three minutes later there is room."""
    table = contacts(
        ("a", "A", "wa", 0, "planned", ""), ("d", "D", "wd", 3, "planned", ""),
        ("b", "B", "wb", 0, "backup", "a"), ("e", station, window, minute, "backup", "d"),
    )  # fmt: skip
    flown = night_choices(table, np.array([[False, False, True, True]]), skill=1.0, rng=1)
    assert flown.tolist() == [[False, not both, True, both]]
