"""CSV that spreadsheets show and do not run."""

import ast
import csv
import io
from pathlib import Path

import pandas as pd
import pytest

import eqci_space
from eqci_space.data import data_path
from eqci_space.files.csv_text import csv_text, safe_cell
from eqci_space.orbits.elements_io import read_elements, write_omm
from eqci_space.weather.weather_io import read_weather, write_weather_csv

PACKAGE = Path(eqci_space.__file__).parent


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("+49 89", "'+49 89"), ("-", "'-"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("-2.5", "-2.5"), ("+1e-3", "+1e-3"), ("-.5", "-.5"), ("-inf", "-inf"), ("", ""),
        ("a=b", "a=b"), ("-1-1", "'-1-1"), (-2.5, -2.5), (None, None), ("٣", "٣"), ("-٣", "'-٣"),
    ],
)  # fmt: skip
def test_text_like_a_formula_is_marked_and_numbers_are_not(cell, safe):
    assert safe_cell(cell) == safe


def test_cells_names_and_index_are_marked():
    table = pd.DataFrame(
        {"a": ["=1", "-2", None], "@b": pd.Categorical(["+x", "y", "y"]), "n": [-1.5, 2.0, 3.0]},
        index=pd.Index(["-r", "b", "c"], name="=id"),
    )
    rows = list(csv.reader(io.StringIO(csv_text(table, index=True))))
    assert rows == [
        ["'=id", "a", "'@b", "n"],
        ["'-r", "'=1", "'+x", "-1.5"],
        ["b", "-2", "y", "2.0"],
        ["c", "", "y", "3.0"],
    ]
    assert csv_text(table, index=False).splitlines()[1] == "'=1,'+x,-1.5"
    assert table["a"].iloc[0] == "=1"


def test_tables_without_such_text_are_as_pandas_writes_them():
    start = pd.date_range("2027-03-01", periods=3, tz="UTC")
    table = pd.DataFrame({"t": start, "x": [1, 2, 3], "s": ["a", "b,c", 'd"e']}, index=pd.Index([7, 8, 9], name="i"))
    assert csv_text(table, index=True) == table.to_csv(lineterminator="\n")
    assert csv_text(table.iloc[:0], index=False) == table.iloc[:0].to_csv(index=False, lineterminator="\n")


def test_every_csv_of_the_package_is_written_so():
    found = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("to_csv", "writer", "DictWriter"):
                on = ast.unparse(node.value)
                if node.attr == "to_csv" or on == "csv":
                    found.append((path.relative_to(PACKAGE).as_posix(), node.attr))
    assert sorted(found) == [
        ("files/csv_text.py", "to_csv"), ("orbits/omm_io.py", "DictWriter"),  # which marks its cells itself
    ]  # fmt: skip


def test_names_like_formulas_come_back_from_files_that_are_read_again(tmp_path):
    sets = read_elements(data_path("orbits", "synthetic_constellations.omm.json"))[:2]
    write_omm(
        [sets[0].model_copy(update={"name": "=X"}), sets[1].model_copy(update={"name": "+Y"})], tmp_path / "o.csv"
    )
    assert "'=X" in (tmp_path / "o.csv").read_text(encoding="utf-8")
    assert [s.name for s in read_elements(tmp_path / "o.csv")] == ["=X", "+Y"]
    (tmp_path / "c.csv").write_text("site,time,cloud_fraction\n@A,2027-03-01T00:00Z,0.5\n", encoding="utf-8")
    write_weather_csv(read_weather(tmp_path / "c.csv"), tmp_path / "d.csv")
    assert "\n'@A," in (tmp_path / "d.csv").read_text(encoding="utf-8")
    assert set(read_weather(tmp_path / "d.csv")["site"]) == {"@A"}
