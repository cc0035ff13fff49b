"""Maps and files of coverage show what the table says; labels stand clear of each other."""

import json
from itertools import combinations

import numpy as np
import pandas as pd
import pyogrio
import pytest
from numpy.testing import assert_allclose

from eqci_space.errors import DataError, TableError
from eqci_space.report.coverage_io import read_coverage, write_coverage
from eqci_space.report.plots.coverage import coverage_difference_map, coverage_map, save_maps
from eqci_space.studies.coverage import QUANTITIES, compare_coverages, coverage

REGION = (6.0, 46.0, 24.0, 56.0)


@pytest.fixture(scope="module")
def table(scenario):
    return coverage(scenario, resolution_deg=2, region=REGION)


@pytest.fixture(scope="module")
def change(table, scenario):
    (satellite,) = scenario.satellites
    orbit = satellite.orbit.model_copy(update={"ltan_h": 18.5})
    evening = scenario.model_copy(
        update={"name": "evening", "satellites": (satellite.model_copy(update={"orbit": orbit}),)}
    )
    return compare_coverages(table, coverage(evening, resolution_deg=2, region=REGION))


def colour_bar(axes):
    (bar,) = [a for a in axes.figure.axes if a is not axes]
    return bar


def test_map_has_cells_stations_contours_and_units(table, scenario):
    axes = coverage_map(table, scenario)
    assert colour_bar(axes).get_ylabel() == "expected key per month [Mbit]"
    low, high = colour_bar(axes).get_ylim()
    assert_allclose([low, high], [table["expected_key_bit"].min() / 1e6, table["expected_key_bit"].max() / 1e6])
    assert axes.get_title().startswith("Expected key per month, March 2027; hypothetical: ONDREJOV\nQUANT-GPICz")
    assert {t.get_text().split()[0] for t in axes.texts if t.get_text()[0].isalpha()} == set(scenario.stations)
    assert "backbone" in {t.get_text() for t in axes.get_legend().get_texts()}
    error = table.attrs["key_lookup_error"]["month_largest"]
    assert axes.get_xlabel().endswith(f"largest error of their month {100 * error:.2g} %")
    first = axes.collections[0]
    assert len(first.get_paths()) == len(table)


def test_colours_follow_the_values(table):
    axes = coverage_map(table, quantity="windows_per_night")
    colours = axes.collections[0].get_facecolor()
    brightness = colours[:, :3].sum(axis=1)
    values = table["windows_per_night"].to_numpy()
    assert brightness[values.argmax()] == brightness.max()
    assert brightness[values.argmin()] == brightness.min()
    assert colour_bar(axes).get_ylabel() == "windows per night [1/night]"


@pytest.mark.parametrize("quantity", list(QUANTITIES))
def test_labels_do_not_overlap(table, scenario, quantity):
    axes = coverage_map(table, scenario, quantity=quantity)
    axes.figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in axes.texts if t.get_text()]
    names = [t.get_text() for t in axes.texts if t.get_text()]
    assert len(boxes) >= len(scenario.stations)
    for (a, one), (b, other) in combinations(zip(names, boxes, strict=True), 2):
        assert not one.overlaps(other), (a, b)
    frame = axes.get_window_extent()
    for box in boxes:
        assert box.x0 >= frame.x0
        assert box.x1 <= frame.x1


def test_difference_is_centred_on_no_change(change, scenario):
    axes = coverage_difference_map(change, scenario)
    low, high = colour_bar(axes).get_ylim()
    assert low == -high
    assert_allclose(high, change["expected_key_bit"].abs().max() / 1e6)
    assert colour_bar(axes).get_ylabel() == "change of expected key per month [Mbit]"
    assert axes.get_title().endswith("from QUANT-GPICz, EAGLE1-LIKE to evening, EAGLE1-LIKE")


def test_difference_without_any_change(table):
    same = compare_coverages(table, table)
    axes = coverage_difference_map(same)
    assert np.ptp(axes.collections[0].get_facecolor(), axis=0).max() == 0
    assert axes.get_title().endswith("from the first coverage to the second")


def test_given_axes_are_used(table):
    from eqci_space.report.plots.style import new_axes

    axes = new_axes()
    assert coverage_map(table, ax=axes) is axes


def test_wrong_requests_are_named(table):
    with pytest.raises(TableError, match="no quantity 'expected_key'; did you mean 'expected_key_bit'"):
        coverage_map(table, quantity="expected_key")
    with pytest.raises(TableError, match="expected one of 2027-03"):
        coverage_map(table, month="2027-04")
    several = pd.concat([table, table.assign(month="2027-04")])
    with pytest.raises(TableError, match="say which, month='2027-03'"):
        coverage_map(several)
    with pytest.raises(TableError, match="make it with compare_coverages"):
        coverage_difference_map(table)


def test_figures_are_the_same_bytes_twice(table, scenario):
    first, second = (coverage_map(table, scenario).figure._repr_png_() for _ in range(2))
    assert first == second


def test_files_come_back_as_they_went(table, tmp_path):
    gpkg, csv = write_coverage(table, tmp_path / "new")
    assert sorted(p.name for p in gpkg.parent.iterdir()) == ["coverage.csv", "coverage.gpkg"]
    back = read_coverage(gpkg)
    assert back.attrs == json.loads(json.dumps(table.attrs))
    assert str(back.crs) == "EPSG:4326"
    assert list(back["cell"]) == list(table["cell"])
    for column in QUANTITIES:
        assert_allclose(back[column], table[column])
    assert back.geometry.geom_equals(table.geometry).all()
    plain = pd.read_csv(csv)
    assert_allclose(plain["expected_key_bit"], table["expected_key_bit"], atol=0.5)
    assert_allclose(plain["windows_per_night"], table["windows_per_night"], atol=5e-5)
    assert pyogrio.list_layers(gpkg)[:, 0].tolist() == ["coverage", "about"]


def test_files_are_the_same_bytes_twice(table, tmp_path):
    one = [p.read_bytes() for p in write_coverage(table, tmp_path / "a")]
    write_coverage(table, tmp_path / "b", name="other")
    two = [p.read_bytes() for p in write_coverage(table, tmp_path / "b")]
    assert one == two


def test_failed_write_leaves_the_old_files(table, tmp_path):
    gpkg, csv = write_coverage(table, tmp_path)
    before = gpkg.read_bytes(), csv.read_bytes()
    with pytest.raises(KeyError):
        write_coverage(table.drop(columns="month"), tmp_path)
    assert (gpkg.read_bytes(), csv.read_bytes()) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_unreadable_files_are_named(table, tmp_path):
    with pytest.raises(DataError, match=r"no file .*none\.gpkg"):
        read_coverage(tmp_path / "none.gpkg")
    (tmp_path / "broken.gpkg").write_text("no database")
    with pytest.raises(DataError, match=r"broken\.gpkg"):
        read_coverage(tmp_path / "broken.gpkg")


def test_saved_maps_are_named_by_what_they_show(table, change, scenario, tmp_path):
    several = pd.concat([table, table.assign(month="2027-04")])
    several.attrs = table.attrs
    paths = [*save_maps(several, tmp_path, scenario=scenario), *save_maps(change, tmp_path)]
    quantities = ("windows_per_night", "clear_sky_key_bit", "expected_key_bit")
    wanted = [f"coverage-{q}-2027-0{m}.png" for m in (3, 4) for q in quantities]
    assert [p.name for p in paths] == wanted + [f"difference-{q}-2027-03.png" for q in quantities]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)
