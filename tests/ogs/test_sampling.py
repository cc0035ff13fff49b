"""Samples of windows: quadrature, rates, refraction, and the key from few nodes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import TableError
from eqci_space.linkbudget.budget import link_budget
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.earth import seconds_from, station_frame
from eqci_space.orbits.ephemeris import ephemerides, positions_m
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.window_keys import window_keys
from eqci_space.tables import check_table


@pytest.fixture(scope="module")
def windows(scenario):
    return observable_windows(find_passes(scenario), scenario).iloc[:12]


@pytest.fixture(scope="module")
def gauss(windows, scenario):
    return sample_windows(windows, scenario, nodes=24)


@pytest.fixture(scope="module")
def fine(windows, scenario):
    return sample_windows(windows, scenario, step_s=0.05)


def lengths_s(windows):
    return (windows["end"] - windows["start"]).dt.total_seconds()


# ---------------------------------------------------------------- quadrature


@pytest.mark.parametrize("nodes", [1, 2, 7, 24, 200])
def test_weights_of_a_quadrature_add_up_to_the_windows(windows, scenario, nodes):
    samples = sample_windows(windows.iloc[:4], scenario, nodes=nodes)
    assert check_table(samples, "SAMPLES", "test") is samples
    grouped = samples.groupby("window_id")
    assert (grouped.size() == nodes).all()
    total = grouped["weight_s"].sum()[windows.index[:4]].to_numpy()
    assert total == pytest.approx(lengths_s(windows.iloc[:4]).to_numpy(), rel=1e-12)
    assert (samples["weight_s"] > 0).all()


def test_nodes_are_those_of_gauss_and_legendre(windows, scenario):
    # Abramowitz and Stegun, table 25.4, n = 3: 0 and 0.774596669241483, weights 8/9 and 5/9.
    samples = sample_windows(windows.iloc[:1], scenario, nodes=3)
    row = windows.iloc[0]
    half_s = lengths_s(windows).iloc[0] / 2
    middle = row["start"] + (row["end"] - row["start"]) / 2
    away_s = (samples["time"] - middle).dt.total_seconds().to_numpy() / half_s
    # Times are stamped to a microsecond.
    assert away_s == pytest.approx([-0.774596669241483, 0.0, 0.774596669241483], abs=2e-6 / half_s)
    assert (samples["weight_s"] / half_s).to_numpy() == pytest.approx([5 / 9, 8 / 9, 5 / 9], rel=1e-12)


@pytest.mark.parametrize(
    ("quantity", "tolerance"),
    # The elevation of a pass near the zenith has a sharp peak, where 24 nodes leave 4e-6.
    [("inverse square", 1e-6), ("airmass", 1e-6), ("elevation", 1e-5)],
)
def test_few_nodes_integrate_like_a_fine_sum(gauss, fine, quantity, tolerance):
    functions = {
        "inverse square": lambda s: s["range_m"] ** -2.0,
        "airmass": lambda s: np.exp(-1 / np.sin(np.radians(s["elevation_deg"]))),
        "elevation": lambda s: s["elevation_deg"],
    }
    sums = [(functions[quantity](s) * s["weight_s"]).groupby(s["window_id"]).sum() for s in (gauss, fine)]
    # A midpoint sum errs by step² [f'(end) - f'(start)]/24: 0.05² / 24 · 2 · 0.02/s = 4e-6 s, or 2e-8 of 200 s.
    assert (sums[0] / sums[1]).to_numpy() == pytest.approx(np.ones(len(sums[1])), abs=tolerance)


def test_more_nodes_are_better(windows, scenario, fine):
    exact = (fine["weight_s"] * fine["range_m"] ** -2.0).groupby(fine["window_id"]).sum()
    errors = []
    for nodes in (2, 6, 24):
        samples = sample_windows(windows, scenario, nodes=nodes)
        found = (samples["weight_s"] * samples["range_m"] ** -2.0).groupby(samples["window_id"]).sum()
        errors.append(float((found / exact - 1).abs().max()))
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_samples_at_nodes_are_geometry_at_their_times(gauss, fine):
    # The fine samples, read at the nodes' times by straight lines, agree to step²/8 · 0.4 m/s² · ... = 0.2 m.
    for window_id, mine in gauss.groupby("window_id"):
        other = fine[fine["window_id"] == window_id]
        start = other["time"].iloc[0]
        at, known = ((s["time"] - start).dt.total_seconds().to_numpy() for s in (mine, other))
        assert mine["range_m"].to_numpy()[1:-1] == pytest.approx(np.interp(at, known, other["range_m"])[1:-1], abs=0.2)


# ---------------------------------------------------------------- rates


def directions_and_ranges(scenario, samples, shift_s):
    """Line of sight (n, 3) [m] in the Earth-fixed frame at the samples, shifted in time."""
    orbit = ephemerides(scenario, scenario.start, scenario.end)["EAGLE1-LIKE"]
    lines = np.empty((len(samples), 3))
    for ogs, rows in samples.groupby("ogs").indices.items():
        s = scenario.stations[ogs]
        place, _ = station_frame(s.latitude_deg, s.longitude_deg, s.height_ellipsoid_m)
        seconds = seconds_from(scenario.start, samples["time"].iloc[rows])
        lines[rows] = positions_m(orbit, seconds + shift_s) - place
    return lines


def test_range_rate_is_the_finite_difference_of_ranges(scenario, gauss):
    ahead, behind = (np.linalg.norm(directions_and_ranges(scenario, gauss, s), axis=1) for s in (0.02, -0.02))
    # Central difference: h²/6 · r''' (3 m/s³ at most) = 2e-4 m/s; the positions' own smoothness adds as much.
    assert gauss["range_rate_m_s"].to_numpy() == pytest.approx((ahead - behind) / 0.04, abs=2e-3)
    assert gauss["range_rate_m_s"].min() < -3000
    assert gauss["range_rate_m_s"].max() > 3000


def test_angular_rate_is_the_finite_difference_of_directions(scenario, gauss):
    unit = [x / np.linalg.norm(x, axis=1)[:, None] for x in (directions_and_ranges(scenario, gauss, s)
                                                             for s in (0.02, -0.02))]  # fmt: skip
    swept = 2 * np.arcsin(np.linalg.norm(unit[0] - unit[1], axis=1) / 2)
    # Relative error of the difference: (h · rate)²/6 = 3e-8 at 0.02 rad/s.
    assert gauss["angular_rate_rad_s"].to_numpy() == pytest.approx(swept / 0.04, rel=1e-6)
    # Overhead at 500 km: 7.6 km/s / 500 km = 0.015 rad/s; at 20 deg about a tenth of it.
    assert 0.001 < gauss["angular_rate_rad_s"].min() < gauss["angular_rate_rad_s"].max() < 0.016


# ---------------------------------------------------------------- refraction


def test_refraction_is_added_on_request_and_changes_nothing_else(windows, scenario):
    plain = sample_windows(windows, scenario, nodes=8)
    refracted = sample_windows(windows, scenario, nodes=8, refraction="standard")
    assert "apparent_elevation_deg" not in plain
    pd.testing.assert_frame_equal(refracted.drop(columns="apparent_elevation_deg"), plain)


def test_refraction_at_twenty_degrees_is_the_published_one(scenario):
    # Saemundsson 1986 at 20 deg, 101 kPa and 10 °C, by hand: 1.02'/tan(20.41 deg) = 2.741'. Graz stands 471 m high,
    # where the ICAO standard atmosphere has 95.80 kPa, so 2.741' · 95.80/101.0 = 2.600'.
    graz = scenario.model_copy(update={"stations": {"GRAZ": scenario.stations["GRAZ"]}})
    samples = sample_windows(observable_windows(find_passes(graz), graz), graz, refraction="standard")
    low = samples[samples["elevation_deg"].between(20.0, 20.3)]
    raised_arcmin = 60 * (low["apparent_elevation_deg"] - low["elevation_deg"])
    assert len(low) > 5
    assert raised_arcmin.to_numpy() == pytest.approx(np.full(len(low), 2.60), abs=0.05)
    high = samples[samples["elevation_deg"] > 60]
    # Classical refraction near the zenith: 58.3" · tan z at 10 °C and sea level, by pressure at the station.
    arcsec = 3600 * (high["apparent_elevation_deg"] - high["elevation_deg"])
    classical = 58.3 * 95.80 / 101.325 / np.tan(np.radians(high["elevation_deg"]))
    assert arcsec.to_numpy() == pytest.approx(classical.to_numpy(), rel=0.05, abs=0.5)
    assert (samples["apparent_elevation_deg"] > samples["elevation_deg"]).all()


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_s": 0.0}, r"sample_windows: step_s = 0.0; expected a positive number"),
        ({"step_s": -1.0}, r"sample_windows: step_s = -1.0"),
        ({"step_s": float("nan")}, r"sample_windows: step_s = nan"),
        ({"nodes": 0}, r"sample_windows: nodes = 0; expected a whole number from 1 to 200"),
        ({"nodes": -3}, r"sample_windows: nodes = -3"),
        ({"nodes": 201}, r"sample_windows: nodes = 201"),
        ({"nodes": 2.5}, r"sample_windows: nodes = 2.5"),
        ({"refraction": "bennett"}, r"sample_windows: refraction 'bennett'; expected 'none' or 'standard'"),
    ],
)
def test_options_out_of_range_are_refused(windows, scenario, options, message):
    with pytest.raises(TableError, match=message):
        sample_windows(windows, scenario, **options)


def test_options_are_checked_for_empty_windows_too(windows, scenario):
    with pytest.raises(TableError, match="nodes = 0"):
        sample_windows(windows.iloc[:0], scenario, nodes=0)


# ---------------------------------------------------------------- keys from few nodes


@pytest.fixture(scope="module")
def keys(windows, scenario):
    def of(**options):
        return window_keys(link_budget(sample_windows(windows, scenario, **options), scenario), scenario)

    return {"second": of(), "24": of(nodes=24), "48": of(nodes=48)}


@pytest.mark.parametrize("nodes", ["24", "48"])
def test_usable_parts_of_sampled_nodes_lie_in_their_windows(windows, keys, nodes):
    table = keys[nodes]
    # Edges follow from the nodes' times, stamped to a microsecond, and the weights.
    margin = pd.Timedelta(microseconds=3)
    assert table.index.tolist() == windows.index.tolist()
    assert (table["usable_start"] >= windows["start"] - margin).all()
    assert (table["usable_end"] <= windows["end"] + margin).all()
    assert (table["usable_start"] < table["usable_end"]).all()
    whole = (table["usable_start"] - windows["start"]).abs() < pd.Timedelta(microseconds=5)
    assert whole.any()  # some windows are used from their first moment


@pytest.mark.parametrize("nodes", ["24", "48"])
def test_the_key_of_few_nodes_is_that_of_seconds(keys, nodes):
    # These windows are used whole, so no cut intervenes. The midpoint sum over seconds errs by
    # 1 s² · [f'(end) - f'(start)]/24 with f' of 2 % a second, over some 100 s: 1e-5; the quadrature by less.
    seconds, few = keys["second"]["skl_bit"], keys[nodes]["skl_bit"]
    assert (seconds > 1000).all()
    assert (few / seconds - 1).abs().max() < 2e-5
