"""Plans under a record or a forecast: what p_clear becomes, what sampled skies do, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtri

from eqci_space.errors import DataError, EqciWarning, ScenarioError, TableError, TimeError
from eqci_space.scenario import Weather, load_scenario
from eqci_space.study import Study
from eqci_space.weather.climatology import cloud_cover
from eqci_space.weather.field import SkyModel, sample_latent, spatial_factors
from eqci_space.weather.forecast import cloud_quantile
from eqci_space.weather.line_of_sight import cloud_free_probability
from eqci_space.weather.outlook import clear_probability, outlook
from eqci_space.weather.records import (
    at_hours,
    check_weather_file,
    hourly_cover,
    record_sites,
    station_covers,
    zenith_cover,
)
from eqci_space.weather.skies import sample_sky

MODEL = 'model = "climatology"'


def written(path, scenario, first, last, cover, *, kind="earth", step="1h"):
    """A CSV record of all stations; `cover` gives the values of a station at times."""
    times = pd.date_range(first, last, freq=step, tz="UTC")
    rows = [
        pd.DataFrame({"site": name, "time": times.strftime("%Y-%m-%dT%H:%M:%SZ"), "cloud_fraction": cover(name, times)})
        for name in scenario.stations
    ]
    pd.concat(rows).assign(cover_kind=kind).to_csv(path, index=False)


@pytest.fixture
def record(edited, tmp_path, scenario):
    """A scenario whose record covers eight springs; each spring has its own cover, the same at all stations.

    A cover that holds all year is told every six hours.
    """

    def make(text='model = "record"\nfile = "clouds.csv"', **options):
        def cover(_, times):
            return ((times.year % 8) / 7 * 0.9 + 0.05).to_numpy()

        options = {"first": "2016-01-01", "last": "2023-12-31", "cover": cover, "step": "6h"} | options
        written(tmp_path / "clouds.csv", scenario, **options)
        return load_scenario(edited((MODEL, text)))

    return make


@pytest.fixture
def forecast(edited, tmp_path, scenario):
    def make(cover, *, last="2027-03-08T13:00", extra="", **options):
        written(tmp_path / "clouds.csv", scenario, "2027-03-01", last, cover, **options)
        return load_scenario(edited((MODEL, 'model = "forecast"\nfile = "clouds.csv"\n' + extra)))

    return make


# Records.


def without_cirrus(scenario):
    return scenario.model_copy(update={"weather": scenario.weather.model_copy(update={"cirrus_share": 0.0})})


def test_probability_of_a_window_is_the_mean_over_the_years(record, study):
    """Eight years with one cover each: the mean of eight line-of-sight probabilities over the window's elevations."""
    replayed = record()
    years = np.arange(8) / 7 * 0.9 + 0.05
    samples = study.budget
    p_clear = clear_probability(samples, replayed)
    for window_id, part in list(samples.groupby("window_id"))[:5]:
        free = cloud_free_probability(years[:, None], part["elevation_deg"].to_numpy(), seen_from="space").mean(axis=0)
        assert_allclose(p_clear[window_id], np.average(free, weights=part["weight_s"]), rtol=1e-9)


def test_values_of_every_six_hours_are_taken_as_they_are(record):
    station_covers(record(step="6h", first="2020-01-01", last="2021-12-31"))


def test_share_of_clear_trials_is_the_probability_of_the_candidate_in_a_record(record, study):
    replayed = record()
    some = study.candidates.iloc[::8]
    candidates = some.assign(p_clear=clear_probability(study.budget, replayed).reindex(some["window_id"]).to_numpy())
    sky = sample_sky(candidates, without_cirrus(replayed), trials=20_000, rng=1)
    assert_allclose(1 - sky.blocked_share.mean(axis=0), candidates["p_clear"], atol=0.014)


def test_stations_of_one_past_share_it(record, study):
    """With one cover a year for all stations, the best and the worst year move all of them together."""
    sky = sample_sky(study.candidates, record(), trials=4000, rng=2)
    cloudy = ((sky.blocked_share > 0) | (sky.extra_loss_db > 0)).mean(axis=1)
    independent = study.candidates["p_clear"] * (1 - study.candidates["p_clear"])
    assert cloudy.var() > 5 * independent.sum() / len(independent) ** 2


def test_trials_of_a_record_do_not_depend_on_their_number(record, study):
    replayed = record()
    few, many = (sample_sky(study.candidates, replayed, trials=n, rng=4).blocked_share for n in (40, 100))
    assert (few == many[:40]).all()


def test_record_of_the_period_itself_is_replayed_as_it_was(record, study):
    """No moved days: the two springs 2027 and 2028, cover one per hour of the day."""

    def cover(_, times):
        return np.where(times.year == 2027, times.hour / 24, 0.5)

    text = 'model = "record"\nfile = "clouds.csv"\nshift_day = 0'
    replayed = record(text, first="2027-01-01", last="2028-12-30", cover=cover, step="1h")
    known = outlook(np.array(["GRAZ"]), pd.DatetimeIndex(["2027-03-03T21:10Z"]), replayed)
    covers, chance = known.covers()
    assert_allclose(np.sort(covers[0]), [0.5, 21 / 24])
    assert_allclose(chance, [[0.5, 0.5]])


def test_a_hole_takes_out_the_pasts_that_touch_it(record, tmp_path):
    replayed = record()
    whole = outlook(np.array(["GRAZ"]), pd.DatetimeIndex(["2027-03-03T21:00Z"]), replayed).covers()[0].shape[1]
    table = pd.read_csv(tmp_path / "clouds.csv")
    lost = table["time"].str.startswith("2020-03-03T") & (table["site"] == "PQSAT")
    table[~lost].to_csv(tmp_path / "clouds.csv", index=False)
    with pytest.warns(EqciWarning, match="gaps in time"):
        left = outlook(np.array(["GRAZ"]), pd.DatetimeIndex(["2027-03-03T21:00Z"]), replayed).covers()[0].shape[1]
    assert whole == 8 * 21
    assert whole - left == 8  # the moves by which the week from 1 March at noon touches the 3rd: -5 to +2 days


def test_a_record_too_short_for_the_period_is_refused(record, study):
    replayed = record(first="2020-03-05", last="2020-03-09")
    with pytest.raises(DataError, match="0 complete pasts"):
        clear_probability(study.budget, replayed)


def test_a_record_that_lacks_a_station_names_it(record, study, tmp_path):
    replayed = record()
    table = pd.read_csv(tmp_path / "clouds.csv")
    table[table["site"] != "GRAZ"].to_csv(tmp_path / "clouds.csv", index=False)
    with pytest.raises(DataError, match=r"clouds.csv: has no site 'GRAZ'"):
        clear_probability(study.budget, replayed)


def test_low_cloud_lies_below_a_mountain_and_sky_cover_becomes_that_from_space():
    """Teide's mean layers 0.261, 0.071, 0.160 (ERA5): 1 - 0.929 x 0.840 = 0.2196 above 2000 m."""
    table = pd.DataFrame({"cloud_fraction": [0.401, 0.5], "mid_fraction": [0.071, np.nan],
                          "high_fraction": [0.160, 0.1], "cover_kind": ["earth", "sky"]})  # fmt: skip
    assert_allclose(zenith_cover(table, 2393.0), [1 - 0.929 * 0.840, 0.5 * 2.5 / 4])
    assert_allclose(zenith_cover(table, 500.0)[0], 0.401)


@pytest.mark.parametrize("step_h", [1, 3, 6])
def test_each_hour_takes_the_nearest_record(step_h):
    times = pd.date_range("2027-03-01T00:00Z", periods=8, freq=f"{step_h}h")
    first, cover = hourly_cover(times, np.arange(8.0))
    hours = first + np.arange(len(cover))
    assert_allclose(cover, np.clip(np.round((hours * 3600 - times[0].timestamp()) / 3600 / step_h - 1e-9), 0, 7))
    assert np.isnan(at_hours((first, cover), np.array([first - 1, first + len(cover)]))).all()


def test_reports_of_airports_serve_the_hour_next_to_them():
    times = pd.DatetimeIndex(["2027-03-01T00:50Z", "2027-03-01T01:50Z", "2027-03-01T05:50Z", "2027-03-01T06:50Z"])
    first, cover = hourly_cover(times, np.array([0.1, 0.2, 0.5, 0.6]))
    assert first * 3600 == pd.Timestamp("2027-03-01T01:00Z").timestamp()
    assert_allclose(cover, [0.1, 0.2, np.nan, np.nan, np.nan, 0.5, 0.6], equal_nan=True)


# Forecasts.


def test_a_forecast_without_skill_is_the_climate(forecast, study, scenario):
    blind = forecast(lambda _, times: np.full(len(times), 0.05), extra="skill_at_once = 0.0")
    assert_allclose(clear_probability(study.budget, blind), clear_probability(study.budget, scenario), rtol=1e-9)


def test_a_perfect_forecast_of_a_clear_week_is_nearly_clear(forecast, study):
    sure = 'skill_at_once = 1.0\nskill_decay_h = 1000.0\nissued = "2027-03-08T12:00:00Z"'
    clear = clear_probability(study.budget, forecast(lambda _, times: np.full(len(times), 0.0), extra=sure))
    cloudy = clear_probability(study.budget, forecast(lambda _, times: np.full(len(times), 1.0), extra=sure))
    assert clear.min() > 0.97
    assert cloudy.max() < 0.02


def test_the_forecast_fades_into_the_climate(forecast, study, scenario):
    clear = clear_probability(study.budget, forecast(lambda _, times: np.full(len(times), 0.0)))
    gain = clear - clear_probability(study.budget, scenario)
    start = study.windows["start"].reindex(gain.index)
    first, last = gain[start < "2027-03-02T12:00Z"], gain[start > "2027-03-07T12:00Z"]
    assert first.min() > 0.3
    assert last.max() < 0.15
    assert (gain > 0).all()


def test_contacts_that_the_forecast_does_not_reach_take_the_climate_and_say_so(forecast, study, scenario):
    short = forecast(lambda _, times: np.full(len(times), 0.0), last="2027-03-03T00:00")
    with pytest.warns(EqciWarning, match=r"misses \d+ of 46 contacts"):
        p_clear = clear_probability(study.budget, short)
    climate = clear_probability(study.budget, scenario)
    start = study.windows["start"].reindex(p_clear.index)
    late = start > "2027-03-03T02:00Z"
    assert_allclose(p_clear[late], climate[late], rtol=1e-9)
    assert (p_clear[~late] > climate[~late] + 0.05).all()


def test_share_of_clear_trials_is_the_blended_probability(forecast, study):
    told = forecast(lambda name, times: np.full(len(times), 0.2 if name == "GRAZ" else 0.9))
    candidates = study.candidates.iloc[::8]
    p_clear = clear_probability(study.budget, told).reindex(candidates["window_id"]).to_numpy()
    sky = sample_sky(candidates.assign(p_clear=p_clear), without_cirrus(told), trials=20_000, rng=3)
    assert_allclose(1 - sky.blocked_share.mean(axis=0), p_clear, atol=0.014)


def test_stated_probabilities_come_true_in_worlds_of_the_model(forecast, scenario, study):
    """Truth and forecast drawn with the skill assumed, 400 worlds: of windows with p, the share p is clear.

    Mean square deviation of the bins from the diagonal in units of their error, windows of a world being correlated.
    """
    r0, tau = 0.9, 60.0
    windows = study.windows.sort_values("start").reset_index(drop=True)
    middle = pd.DatetimeIndex(windows["start"] + (windows["end"] - windows["start"]) / 2)
    lead = ((middle - scenario.start) / pd.Timedelta("1h")).to_numpy()
    stations = [scenario.stations[o] for o in windows["ogs"]]
    cover = np.array([cloud_cover(s, middle[[i]])[0] for i, s in enumerate(stations)])
    places, place = np.unique([(s.latitude_deg, s.longitude_deg) for s in stations], axis=0, return_inverse=True)
    factors = spatial_factors(*places.T, SkyModel())
    truth, error = (
        sample_latent(lead, place.ravel(), factors, SkyModel(), trials=400, seed=k).astype(float) for k in (1, 2)
    )
    r = r0 * np.exp(-lead / tau)
    foretold = r * truth + np.sqrt(1 - r**2) * error
    share = np.array([_zenith_free(cloud_quantile(z, cover)) for z in truth])
    u = (np.arange(200) + 0.5) / 200
    blended = r * foretold
    p = np.array([
        _zenith_free(cloud_quantile(b[:, None] + np.sqrt(1 - r**2)[:, None] * ndtri(u), cover[:, None])).mean(axis=1)
        for b in blended
    ])  # fmt: skip
    bins = np.digitize(p, np.linspace(0, 1, 11))
    for b in np.unique(bins):
        inside = bins == b
        if inside.sum() > 500:
            assert_allclose(share[inside].mean(), p[inside].mean(), atol=0.03)
    brier, climate = ((share - p) ** 2).mean(), ((share - share.mean(axis=0)) ** 2).mean()
    assert brier < climate


def _zenith_free(cover):
    return cloud_free_probability(cover, 90.0, seen_from="space")


def test_a_plan_can_be_made_and_simulated_under_a_forecast(forecast, study):
    from eqci_space.schedule.simulate import simulate_plan

    told = Study(
        forecast(lambda name, times: np.full(len(times), 0.1 if name == "GRAZ" else 1.0)),
        {name: getattr(study, name) for name in ("passes", "windows", "samples", "budget", "keys")},
    )
    graz = told.candidates["ogs"] == "GRAZ"
    assert (told.candidates.loc[graz, "p_clear"] > study.candidates.loc[graz, "p_clear"]).all()
    assert (told.candidates.loc[~graz, "p_clear"] < study.candidates.loc[~graz, "p_clear"]).all()
    done = simulate_plan(told.plan, told.budget, told.keys, told.scenario, trials=20)
    assert np.isfinite(done.space_key_bit).all()


# Scenarios.


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('model = "record"', "file goes with model = 'record' or 'forecast'"),
        ('model = "climatology"\nfile = "x.csv"', "file goes with"),
        ('model = "record"\nfile = "nowhere.csv"', "no file 'nowhere.csv'"),
        ('model = "climatology"\nskill_at_once = 0.8', "skill_at_once goes with model = 'forecast'"),
        ('model = "forecast"\nfile = "a.csv"\nshift_day = 3', "shift_day goes with model = 'record'"),
        ('model = "forecast"\nfile = "a.csv"\nissued = 2027-03-01T00:00:00', "issued"),
        ('model = "forecast"\nfile = "a.csv"\nskill_at_once = 1.2', "skill_at_once"),
    ],
)
def test_weather_that_makes_no_sense_is_refused(edited, tmp_path, text, message):
    (tmp_path / "a.csv").write_text("site,time,cloud_fraction\nGRAZ,2027-03-01T00:00Z,0.5\n")
    with pytest.raises(ScenarioError, match=message):
        load_scenario(edited((MODEL, text)))


def test_the_weather_file_is_listed_with_its_checksum(record):
    assert [name for name, _ in record().inputs] == ["clouds.csv"]


def test_a_stations_own_months_come_first(edited, scenario):
    """And are not corrected for altitude; eleven months are refused."""
    table = "\n[station.GRAZ]\ncloud_fraction_by_month = ["
    own = load_scenario(edited(extra=table + ", ".join(["0.25"] * 12) + "]\n"))
    midnight = pd.date_range("2027-01-15", periods=12, freq="30D", tz="UTC")
    assert cloud_cover(own.stations["GRAZ"], midnight).mean() == pytest.approx(0.24, abs=0.02)
    assert_allclose(cloud_cover(own.stations["PQSAT"], midnight), cloud_cover(scenario.stations["PQSAT"], midnight))
    with pytest.raises(ScenarioError, match="11 months"):
        load_scenario(edited(extra=table + ", ".join(["0.25"] * 11) + "]\n"))


@pytest.mark.parametrize("model", ["record", "forecast"])
def test_a_station_that_moves_has_the_record_of_each_of_its_places(tmp_path, scenario, model):
    """GRAZ stands where the sky is 0.1 covered until 4 March, then where it is 0.8; the record tells them apart."""
    station = scenario.stations["GRAZ"]
    middle = scenario.start + (scenario.end - scenario.start) / 2
    place = {"latitude_deg": 47.0, "longitude_deg": 15.0, "height_ellipsoid_m": 400.0, "height_msl_m": 350.0,
             "valid_from": scenario.start, "valid_to": middle, "node": station.node}  # fmt: skip
    later = place | {"latitude_deg": 48.0, "valid_from": middle, "valid_to": scenario.end}
    moving = type(station).model_validate(station.model_dump(exclude={"positions"}) | {"position": [place, later]})
    assert list(record_sites("GRAZ", moving)) == ["GRAZ/1", "GRAZ/2"]
    assert list(record_sites("GRAZ", station)) == ["GRAZ"]
    hours = pd.date_range("2020-01-01" if model == "record" else "2027-02-28", "2027-03-10", freq="h", tz="UTC")
    text = hours.strftime("%Y-%m-%dT%H:%MZ")
    rows = [pd.DataFrame({"site": s, "time": text, "cloud_fraction": c}) for s, c in (("GRAZ/1", 0.1), ("GRAZ/2", 0.8))]
    pd.concat(rows).assign(cover_kind="earth").to_csv(tmp_path / "clouds.csv", index=False)
    skill = {"skill_at_once": 1.0, "skill_decay_h": 1000.0} if model == "forecast" else {}
    mobile = scenario.model_copy(update={
        "stations": {"GRAZ": moving},
        "weather": Weather(model=model, file=str(tmp_path / "clouds.csv"), **skill),
    })  # fmt: skip
    times = pd.DatetimeIndex([scenario.start + pd.Timedelta("6h"), scenario.end - pd.Timedelta("6h")])
    covers, chance = outlook(np.array(["GRAZ", "GRAZ"]), times, mobile).covers()
    assert_allclose((covers * chance).sum(axis=1), [0.1, 0.8], atol=1e-9 if model == "record" else 0.12)


def test_an_unknown_station_is_named(scenario):
    with pytest.raises(TableError, match="station 'NOWHERE' is not in the scenario"):
        outlook(np.array(["NOWHERE"]), pd.DatetimeIndex(["2027-03-03T21:00Z"]), scenario)


# What a scenario says of its file, and whether the file serves the period.


def monthly(first="2012-01-01", last="2024-12-31"):
    return {"first": first, "last": last, "step": "MS", "cover": lambda _, times: (times.month / 20).to_numpy()}


@pytest.mark.parametrize("model", ["record", "forecast"])
def test_means_of_months_are_no_record_of_hours(record, model):
    means = record(f'model = "{model}"\nfile = "clouds.csv"', **monthly())
    months = r"cloud_fraction_by_month = \[0.05, 0.10, .*0.60\]"
    message = rf"'clouds.csv' has a value every 74\d h at '.*': .*at most 6 h.*{months}"
    with pytest.raises(DataError, match=message):
        check_weather_file(means)


@pytest.mark.parametrize(("step", "fits"), [("6h", True), ("12h", False), ("24h", False)])
def test_steps_of_some_hours_are_the_longest(record, step, fits):
    scenario = record(step=step)
    if fits:
        return check_weather_file(scenario)
    with pytest.raises(DataError, match=rf"a value every {step[:-1]} h at .*cloud_fraction_by_month"):
        check_weather_file(scenario)


def test_a_short_record_is_told_before_the_run(record):
    with pytest.raises(DataError, match=r"1 complete pasts .*the file holds '.*' 2023-02-01 to 2023-03-31"):
        check_weather_file(
            record(
                'model = "record"\nfile = "clouds.csv"\nshift_day = 0', first="2023-02-01", last="2023-03-31", step="1h"
            )
        )


def test_a_forecast_of_another_week_is_told_before_the_run(forecast):
    with pytest.warns(
        EqciWarning, match=r"the forecast at '.*' reaches from 2027-03-01T00:00Z to 2027-03-01T03:00Z, no"
    ):
        check_weather_file(forecast(lambda _, times: times.hour / 24, last="2027-03-01T03:00"))


def test_what_a_file_leaves_open_is_said_in_the_scenario(edited, tmp_path, scenario):
    names = {name: f"S{i}" for i, name in enumerate(scenario.stations)}
    times = pd.date_range("2016-01-01", "2019-12-31T23:00", freq="3h")
    rows = [f"{name},{t:%Y-%m-%dT%H:%M},4" for name in names.values() for t in times]
    (tmp_path / "clouds.csv").write_text("\n".join(["site,time,N", *rows]))
    said = 'model = "record"\nfile = "clouds.csv"\n'
    keys = [
        ('variable = "N"', "no column of total cover.*name it by variable="),
        ('unit = "okta"', "unit of column 'N' is unknown; say unit="),
        (
            f"names = {{ {', '.join(f'{k!r} = {v!r}' for k, v in names.items())} }}",
            r"has no site .*; say which .*names =",
        ),
        ("utc_offset_h = 0", "has no time zone"),
    ]
    for missing, message in keys:
        rest = "\n".join(key for key, _ in keys if key != missing)
        with pytest.raises((DataError, TimeError), match=message):
            check_weather_file(load_scenario(edited((MODEL, said + rest))))
    check_weather_file(load_scenario(edited((MODEL, said + "\n".join(key for key, _ in keys)))))
    wrong = said + 'variable = "N"\nunit = "okta"\nutc_offset_h = 0\nnames = { GRATZ = "S0" }'
    with pytest.raises(DataError, match=r"weather.names: no station 'GRATZ'; did you mean 'GRAZ'"):
        check_weather_file(load_scenario(edited((MODEL, wrong))))


@pytest.mark.parametrize(
    "key", ['unit = "okta"', 'variable = "tcc"', "utc_offset_h = 1", "reference = 2027-03-01T00:00:00Z"]
)
def test_what_is_said_of_a_file_needs_one(edited, key):
    with pytest.raises(ScenarioError, match=f"{key.split()[0]} says something of a file; give file too"):
        load_scenario(edited((MODEL, f"{MODEL}\n{key}")))
