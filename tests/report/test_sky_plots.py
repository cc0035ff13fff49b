"""The plots of passes: what they draw is what the tables say."""

from datetime import timedelta

import matplotlib as mpl
import numpy as np
import pytest

import eqci_space as eq
from eqci_space.errors import TableError
from eqci_space.report.page.svg import svg_text
from eqci_space.scenario import Satellite, SunSynchronousOrbit


@pytest.fixture(scope="module")
def one_station(study):
    samples = study.samples
    return samples[samples["ogs"] == "GRAZ"]


def test_sky_track_draws_each_window_from_horizon_to_summit(one_station, scenario):
    ids = one_station["window_id"].unique()[:2]
    ax = eq.plot.sky_track(one_station[one_station["window_id"].isin(ids)], scenario)
    tracks = [line for line in ax.get_lines() if str(line.get_label()).startswith("EAGLE1-LIKE")]
    assert len(tracks) == 2
    for window_id, line in zip(ids, tracks, strict=True):
        part = one_station[one_station["window_id"] == window_id]
        angle, zenith = line.get_data()
        assert 90 - np.min(zenith) == pytest.approx(part["elevation_deg"].max())
        assert np.degrees(angle) == pytest.approx(part["azimuth_deg"].to_numpy())
    assert (ax.get_theta_direction(), ax.get_theta_offset()) == (-1, pytest.approx(np.pi / 2))  # north up, east right


def test_sky_track_shades_the_mask_and_shows_the_moon_only_when_it_is_up(one_station, scenario):
    station = scenario.stations["GRAZ"].model_copy(update={"horizon_mask": ((0.0, 30.0), (180.0, 50.0))})
    masked = scenario.model_copy(update={"stations": {**scenario.stations, "GRAZ": station}})
    for window_id, part in one_station.groupby("window_id"):
        labels = [t.get_text() for t in eq.plot.sky_track(part, masked).get_legend().get_texts()]
        assert "below the horizon mask" in labels
        middle = part.iloc[len(part) // 2]
        assert ("Moon" in labels) == (middle["moon_elevation_deg"] > 0), window_id
        assert "Sun" not in labels


def test_sky_track_refuses_several_stations(study, scenario):
    with pytest.raises(TableError, match="samples of 5 stations"):
        eq.plot.sky_track(study.samples, scenario)


def test_elevation_profile_has_elevation_and_range(one_station):
    window_id = one_station["window_id"].iloc[0]
    ax = eq.plot.elevation_profile(one_station, window_id)
    part = one_station[one_station["window_id"] == window_id]
    assert ax.get_lines()[0].get_ydata() == pytest.approx(part["elevation_deg"].to_numpy())
    (other,) = [a for a in ax.figure.axes if a is not ax]
    assert other.get_lines()[0].get_ydata() == pytest.approx(part["range_m"].to_numpy() / 1e3)
    with pytest.raises(TableError, match="no window 'none' in the samples; "):
        eq.plot.elevation_profile(one_station, "none")
    with pytest.raises(TableError, match=f"did you mean .*{window_id}"):
        eq.plot.elevation_profile(one_station, window_id[:-1])


def test_ground_track_passes_below_the_satellite(study, scenario):
    # A window's closest ground point lies range² = height² + ground² away on a flat map, within the curvature's few per
    # cent; the map is equal-area and stretches distances by about as much.
    window = study.windows.iloc[[0]]
    part = study.samples[study.samples["window_id"] == window.index[0]]
    ax = eq.plot.ground_track(window, scenario)
    thick = max((line for line in ax.get_lines() if line.get_linewidth() == 2.4), key=lambda x: len(x.get_xdata()))
    station = next(x for x in ax.get_lines() if x.get_marker() == "^" and _named(ax, x) == window["ogs"].iloc[0])
    x, y = (np.asarray(v) for v in thick.get_data())
    ground = np.hypot(x - station.get_xdata()[0], y - station.get_ydata()[0]).min()
    expected = np.sqrt(part["range_m"].min() ** 2 - 500e3**2)
    assert ground == pytest.approx(expected, rel=0.15, abs=20e3)


def _named(ax, marker):
    place = (marker.get_xdata()[0], marker.get_ydata()[0])
    return next((t.get_text() for t in ax.texts if t.xy == pytest.approx(place)), None)


def test_ground_track_needs_a_window(study, scenario):
    with pytest.raises(TableError, match="no window"):
        eq.plot.ground_track(study.windows.iloc[:0], scenario)


def test_windows_per_night_prints_the_monthly_means(scenario):
    terminal = scenario.satellites[0].terminal
    satellites = tuple(
        Satellite(
            name=f"LTAN {h:g}",
            orbit=SunSynchronousOrbit(kind="sun_synchronous", altitude_km=500, ltan_h=h),
            terminal=terminal,
        )
        for h in (12.0, 18.0)
    )
    two_months = scenario.model_copy(
        update={
            "satellites": satellites,
            "stations": {"GRAZ": scenario.stations["GRAZ"]},
            "end": scenario.start + timedelta(days=45),
        }
    )
    nightly = eq.nightly_windows(eq.observable_windows(eq.find_passes(two_months), two_months), two_months)
    ax = eq.plot.windows_per_night(nightly)
    march = nightly[nightly["night"] < "2027-04-01"].groupby("satellite")["windows"].mean()
    assert [t.get_text() for t in ax.texts[::2]] == [f"{march[s.name]:.1f}" for s in satellites]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["Mar", "Apr"]
    with pytest.raises(TableError, match="expected 'windows' or 'seconds'"):
        eq.plot.windows_per_night(nightly, value="bits")


def test_plots_leave_the_global_style_alone_and_repeat_their_bytes(one_station, scenario):
    before = dict(mpl.rcParams)
    part = one_station[one_station["window_id"] == one_station["window_id"].iloc[0]]
    assert svg_text(eq.plot.sky_track(part, scenario)) == svg_text(eq.plot.sky_track(part, scenario))
    assert dict(mpl.rcParams) == before
