"""The table contracts and their check."""

import pandas as pd
import pytest

from eqci_space.errors import TableError
from eqci_space.tables import TABLES, check_table


def demands(**change) -> pd.DataFrame:
    columns = {
        "a": ["X"], "b": ["Y"], "purpose": ["p"], "assurance": ["any"], "weight": [1.0], "asked_bit_per_day": [5.0],
    }  # fmt: skip
    return pd.DataFrame(columns | change, index=pd.Index(["d"], name="demand"))


def test_right_table_passes_unchanged():
    table = demands(extra=[1])
    assert check_table(table, "DEMANDS", "here") is table


def test_missing_column_is_named_with_a_near_match():
    table = demands().rename(columns={"weight": "wieght"})
    with pytest.raises(TableError, match=r"here: DEMANDS lacks 'weight' .*did you mean 'wieght'"):
        check_table(table, "DEMANDS", "here")


def test_wrong_kind_nan_index_and_duplicates_are_errors():
    with pytest.raises(TableError, match=r"DEMANDS\.weight has kind"):
        check_table(demands(weight=["1"]), "DEMANDS", "here")
    with pytest.raises(TableError, match="missing at row 'd'"):
        check_table(demands(weight=[float("nan")]), "DEMANDS", "here")
    with pytest.raises(TableError, match="index 'other'; expected 'demand'"):
        check_table(demands().rename_axis("other"), "DEMANDS", "here")
    with pytest.raises(TableError, match="duplicate demand 'd'"):
        check_table(pd.concat([demands(), demands()]), "DEMANDS", "here")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_resolution_in_utc_pass(unit):
    deposits = pd.DataFrame({
        "time": pd.to_datetime(["2027-03-01T12:00Z"]).as_unit(unit), "edge": ["e"], "bit": [1.0], "contact_id": ["c"],
        "block": ["b"], "kind": ["clear"],
    })  # fmt: skip
    check_table(deposits, "DEPOSITS", "here")
    deposits["time"] = deposits["time"].dt.tz_localize(None)
    with pytest.raises(TableError, match=r"DEPOSITS\.time has kind"):
        check_table(deposits, "DEPOSITS", "here")


def test_every_table_of_a_run_fulfils_its_contract(study):
    for name in ("PASSES", "WINDOWS", "SAMPLES", "BUDGET", "KEYS", "CANDIDATES", "DEPOSITS"):
        check_table(getattr(study, name.lower()), name, "test")
    check_table(study.plan.contacts, "CONTACTS", "test")
    for name in ("ROUTES", "STORES", "DELIVERY"):
        check_table(getattr(study.relay, name.lower()), name, "test")
    assert len(TABLES) == 15
