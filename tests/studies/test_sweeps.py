"""Sweeps: values set by path, one table, and skies that all options share."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import ScenarioError, TableError
from eqci_space.scenario import load_scenario, with_variant
from eqci_space.scenario.changes import with_values
from eqci_space.studies.sweeps import sweep

LTAN = "satellite.0.orbit.ltan_h"
EFFICIENCY = "station.*.receiver.detector_efficiency"


def night_hours(scenario):
    """A measure of one's own."""
    return {"days": (scenario.end - scenario.start) / timedelta(days=1), "ltan_h": scenario.satellites[0].orbit.ltan_h}


@pytest.fixture(scope="module")
def short(scenario):
    return scenario.model_copy(update={"end": scenario.start + timedelta(days=2)})


@pytest.fixture(scope="module")
def clear(short):
    return with_values(short, {"weather.model": "clear_sky"})


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (LTAN, 21.0, lambda s: s.satellites[0].orbit.ltan_h),
        ("satellite.EAGLE1-LIKE.orbit.ltan_h", 21.0, lambda s: s.satellites[0].orbit.ltan_h),
        ("satellite.*.terminal.jitter_rad", 2e-6, lambda s: s.satellites[0].terminal.jitter_rad),
        ("station.GRAZ.receiver.aperture_diameter_m", 1.5, lambda s: s.stations["GRAZ"].receiver.aperture_diameter_m),
        ("station.GRAZ.min_elevation_deg", 30.0, lambda s: s.stations["GRAZ"].min_elevation_deg),
        ("atmosphere.angstrom_exponent", 1.0, lambda s: s.atmosphere.angstrom_exponent),
        ("atmosphere.cirrus_optical_depth", 0.1, lambda s: s.atmosphere.cirrus_optical_depth),
        ("demand.government Berlin-Warsaw.weight", 7.0, lambda s: s.demands[0].weight),
        ("fiber.device.pulse_rate_hz", 2e9, lambda s: s.fiber.device.pulse_rate_hz),
        ("seed", 11, lambda s: s.seed),
    ],
)
def test_a_value_is_set_where_its_path_says(scenario, path, value, found):
    before = scenario.model_dump()
    changed = with_values(scenario, {path: value})
    assert found(changed) == value
    assert found(scenario) != value
    assert scenario.model_dump() == before
    assert (changed.file, changed.sha256, changed.sources) == (scenario.file, scenario.sha256, scenario.sources)
    assert with_values(changed, {path: found(scenario)}).model_dump() == before


def test_a_star_sets_all(scenario):
    changed = with_values(scenario, {EFFICIENCY: 0.5})
    assert {s.receiver.detector_efficiency for s in changed.stations.values()} == {0.5}


def test_presets_go_by_name(scenario):
    terminals = {v.name: v.terminal for v in load_scenario("euroqci").variants}
    for name, terminal in terminals.items():
        assert with_values(scenario, {"satellite.*.terminal": f"eagle1-like-{name}"}).satellites[0].terminal == terminal
    graz = with_values(scenario, {"station.GRAZ.receiver": "ogs-1m-si"}).stations["GRAZ"].receiver
    assert (graz.aperture_diameter_m, graz.field, graz.detector_efficiency) == (1.0, "free_space", 0.5)
    assert with_values(scenario, {"fiber.device": "snspd-1ghz"}).fiber.device.detector_efficiency == 0.8
    pattern = {"kind": "walker_delta", "altitude_km": 550, "inclination_deg": 60, "satellites": 2, "planes": 1}
    table = {"name": "W", "pattern": pattern, "terminal": "eagle1-like-optimistic"}
    assert with_values(scenario, {"satellites": table}).satellites[1].terminal == terminals["optimistic"]


def test_one_receiver_for_all_keeps_their_telescopes(scenario):
    """As a variant of hardware does."""
    variant = scenario.variants[0]
    changed = with_values(scenario, {"stations.receiver": "ogs-80cm-ingaas"})
    assert changed.stations == with_variant(scenario, variant).stations
    assert len({s.receiver.aperture_diameter_m for s in changed.stations.values()}) > 1


def test_the_table_names_the_presets(short):
    table = sweep(short, {"satellite.0.terminal": ["eagle1-like-nominal", "eagle1-like-optimistic"]})
    assert list(table["satellite.0.terminal"]) == ["eagle1-like-nominal", "eagle1-like-optimistic"]
    assert table["clear_sky_bit"].iloc[0] == sweep(short, [{}])["clear_sky_bit"].iloc[0]
    assert table["clear_sky_bit"].iloc[1] > 1.2 * table["clear_sky_bit"].iloc[0]


def test_satellites_are_counted_or_made_from_a_pattern(scenario):
    pattern = {"kind": "walker_delta", "altitude_km": 550, "inclination_deg": 60, "satellites": 6, "planes": 3}
    many = with_values(scenario, {"satellites": {"name": "W", "pattern": pattern}})
    assert [s.name for s in many.satellites] == ["W-1-1", "W-1-2", "W-2-1", "W-2-2", "W-3-1", "W-3-2"]
    assert many.satellites[5].orbit.raan_deg == 240.0
    assert many.satellites[0].terminal == scenario.satellites[0].terminal
    assert [s.name for s in with_values(many, {"satellites": 2}).satellites] == ["W-1-1", "W-1-2"]


def test_stations_are_switched_on(scenario):
    assert list(with_values(scenario, {"stations.use": ["PQSAT", "GRAZ"]}).stations) == ["GRAZ", "PQSAT"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"satelite.0.orbit.ltan_h": 1}, "satelite: no such entry.*did you mean 'satellite'"),
        ({"satellite.3.orbit.ltan_h": 1}, "satellite.3: no such entry.*known: 0, EAGLE1-LIKE"),
        ({"station.GRATZ.min_elevation_deg": 1}, "station.GRATZ: no such entry.*did you mean 'GRAZ'"),
        ({"satellite.0.orbit.ltan": 1}, r"ltan: Extra inputs are not permitted"),
        ({LTAN: 25.0}, r"ltan_h: Input should be less than 24 \(got 25.0\)"),
        ({"satellites": 4}, "4; expected 0 to 1"),
        ({"satellites": "many"}, "expected a whole number or a table"),
        ({"satellites": {"name": "W", "pattern": {"kind": "walker"}}}, "satellites.pattern"),
        ({"stations.use": ["GRATZ"]}, "no station 'GRATZ'; did you mean 'GRAZ'"),
        ({"stations.min_elevation_deg": 30.0}, r"was resolved when the scenario was read; sweep station\.\*\.KEY"),
        (
            {"satellite.0.terminal": "eagle1-like"},
            "terminal: unknown preset 'eagle1-like'; did you mean 'eagle1-like-nominal'",
        ),
        (
            {"stations.receiver": "ogs-80cm-snsp"},
            "receiver: unknown preset 'ogs-80cm-snsp'; did you mean 'ogs-80cm-snspd'",
        ),
        ({"stations.receiver": 0.8}, "0.8; expected the name of a preset or a table"),
        ({"satellites": {"name": "W", "terminal": "x"}}, "satellites.terminal: unknown preset 'x'"),
        ({"constellation.0.pattern.satellites": 3}, "sweep satellites, with a"),
    ],
)
def test_paths_and_values_that_do_not_fit_are_named(scenario, values, message):
    with pytest.raises(ScenarioError, match=message):
        with_values(scenario, values)


def test_all_errors_come_at_once(scenario):
    with pytest.raises(ScenarioError) as caught:
        with_values(scenario, {"a.b": 1, "c.d": 2})
    assert [path for path, _ in caught.value.problems] == ["a", "c"]


def test_the_table_holds_all_combinations_and_the_key_of_the_stages(short):
    table = sweep(short, {LTAN: [22.5, 21.0], EFFICIENCY: [0.8, 0.4]})
    assert table.index.name == "option"
    assert list(zip(table[LTAN], table[EFFICIENCY], strict=True)) == [
        (22.5, 0.8),
        (22.5, 0.4),
        (21.0, 0.8),
        (21.0, 0.4),
    ]
    from eqci_space.study import Study

    for row in table.itertuples(index=False):
        study = Study(with_values(short, {LTAN: row[0], EFFICIENCY: row[1]}))
        assert (row.passes, row.windows) == (len(study.passes), len(study.windows))
        whole = study.candidates.index.intersection(study.keys.index)  # those that last long enough for a contact
        assert row.clear_sky_bit == study.keys.loc[whole, "skl_bit"].sum()


def test_options_may_be_written_out(short):
    table = sweep(short, [{"stations.use": ["GRAZ"]}, {LTAN: 21.0}])
    assert list(table.columns[:2]) == ["stations.use", LTAN]
    assert table["stations.use"].tolist()[0] == "GRAZ"
    assert np.isnan(table[LTAN][0])


def test_under_a_clear_sky_all_key_arrives(clear):
    table = sweep(clear, {EFFICIENCY: [0.8, 0.4]}, trials=10)
    for column in ("space_mean_bit", "space_median_bit", "space_exceeded_90pct_bit", "space_exceeded_10pct_bit"):
        np.testing.assert_allclose(table[column], table["clear_sky_bit"], rtol=1e-6)
    assert (table["space_difference_error_bit"] < 1e-6 * table["clear_sky_bit"]).all()
    step = table["clear_sky_bit"][1] - table["clear_sky_bit"][0]
    np.testing.assert_allclose(table["space_difference_bit"], [0.0, step], rtol=1e-6)


def test_the_mean_over_skies_is_that_of_the_chances(short):
    """Without cirrus a contact brings all or nothing: the mean is Σ p·key, within its sampling error."""
    bare = with_values(short, {"weather": {"model": "constant", "p_clear": 0.4, "cirrus_share": 0.0}})
    table = sweep(bare, {EFFICIENCY: [0.8]}, trials=2000)
    assert table["expected_bit"][0] == pytest.approx(0.4 * table["clear_sky_bit"][0], rel=1e-12)
    assert table["space_mean_bit"][0] == pytest.approx(table["expected_bit"][0], rel=0.06)


def test_options_share_their_skies(short):
    """An option told by two values that mean the same differs by nothing; a small step stands out of the weather.

    Independent skies would give the difference an error of √2 times that of the mean.
    """
    table = sweep(short, {EFFICIENCY: [0.80, 0.80, 0.79]}, trials=200)
    assert table.loc[1, "space_difference_bit"] == 0.0
    assert table.loc[1, "space_difference_error_bit"] == 0.0
    spread = table.loc[0, "space_exceeded_10pct_bit"] - table.loc[0, "space_exceeded_90pct_bit"]
    independent = np.sqrt(2 / 200) * spread / 2.563  # of a normal distribution
    assert table.loc[2, "space_difference_error_bit"] < independent / 20
    assert table.loc[2, "space_difference_bit"] < -10 * table.loc[2, "space_difference_error_bit"]


def test_other_orbits_fly_under_the_same_weather(short):
    """Passes of two orbits a quarter of an hour apart meet nearly the same sky."""
    table = sweep(short, {LTAN: [22.5, 22.25]}, trials=300)
    spread = table["space_exceeded_10pct_bit"] - table["space_exceeded_90pct_bit"]
    independent = np.hypot(*(spread / 2.563)) / np.sqrt(300)
    assert table.loc[1, "space_difference_error_bit"] < 0.85 * independent


def test_trials_do_not_depend_on_the_seed_of_others(short):
    one = sweep(short, {EFFICIENCY: [0.8]}, trials=50, rng=3)
    same = sweep(short, {EFFICIENCY: [0.8]}, trials=50, rng=3)
    other = sweep(short, {EFFICIENCY: [0.8]}, trials=50, rng=4)
    pd.testing.assert_frame_equal(one, same)
    assert one.loc[0, "space_mean_bit"] != other.loc[0, "space_mean_bit"]


def test_plan_and_delivery_are_those_of_the_stages(short):
    from eqci_space.study import Study

    (row,) = sweep(short, {"seed": [1]}, measure="delivery").to_dict("records")
    study = Study(with_values(short, {"seed": 1}))
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"]
    assert row["contacts"] == len(planned)
    assert row["planned_expected_bit"] == pytest.approx(planned["expected_skl_bit"].sum(), rel=1e-9)
    total = study.relay.delivery.groupby("demand")["delivered_bit"].sum()
    assert row["expected_key_bit"] == pytest.approx(total.sum(), rel=1e-9)
    name = "data centres Frankfurt-Berlin"
    assert row[f"expected_key_bit.{name}"] == pytest.approx(total[name], rel=1e-9)
    assert row[f"mean_bit.{name}"] == pytest.approx(total[name], rel=1e-6)  # fibre needs no sky
    assert 0 <= row["exceeded_90pct_bit.government Berlin-Warsaw"] <= row["mean_bit.government Berlin-Warsaw"]
    assert next(iter(row)) == "seed"
    assert list(row)[1] == "mean_bit.government Berlin-Warsaw"


def test_levels_of_a_sweep_are_those_of_the_plan_in_the_same_skies(short):
    """Two options that differ in nothing have the same levels."""
    first, second = sweep(short, [{"seed": 1}, {"seed": 1}], measure="delivery", trials=20).to_dict("records")
    assert first.items() >= {k: v for k, v in second.items() if k.startswith(("mean_bit", "exceeded_90pct"))}.items()
    assert "mean_bit.government Berlin-Warsaw" not in sweep(short, {"seed": [1]}, measure="delivery", trials=0)


def test_a_plan_may_be_flown_under_skies(clear):
    table = sweep(clear, {EFFICIENCY: [0.8]}, measure="plan", trials=10)
    assert table["space_mean_bit"][0] == pytest.approx(table["planned_clear_bit"][0], rel=1e-6)
    assert table["planned_clear_bit"][0] < table["clear_sky_bit"][0]


def test_a_measure_of_ones_own(short):
    table = sweep(short, {LTAN: [22.5, 21.0]}, measure=night_hours)
    assert table["days"].tolist() == [2.0, 2.0]
    assert table["ltan_h"].tolist() == [22.5, 21.0]


def test_processes_and_check_points_give_the_same_table(short, tmp_path):
    grid = {LTAN: [22.5, 21.0]}
    plain = sweep(short, grid, trials=20)
    counts = []
    pd.testing.assert_frame_equal(sweep(short, grid, trials=20, jobs=2, checkpoint=tmp_path), plain)
    again = sweep(short, grid, trials=20, checkpoint=tmp_path, progress=counts.append)
    pd.testing.assert_frame_equal(again, plain)
    assert counts == [2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": {LTAN: [1.0]}, "measure": "plans"}, "did you mean 'plan'"),
        ({"grid": {LTAN: [1.0]}, "trials": 5}, "expected 0 or at least 10"),
        ({"grid": {LTAN: [1.0]}, "trials": 20, "measure": night_hours}, "offers, plan, delivery as measure"),
        ({"grid": {LTAN: 1.0}}, "expected a list of values"),
        ({"grid": {"name": "ab"}}, "expected a list of values"),
        ({"grid": {LTAN: []}}, "the grid has no option"),
        ({"grid": []}, "the grid has no option"),
    ],
)
def test_what_cannot_be_swept_is_refused(scenario, arguments, message):
    with pytest.raises(TableError, match=message):
        sweep(scenario, **arguments)
