"""Plots of weather and confidence show what the tables say, nothing cut or covered."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import eqci_space as eq
from eqci_space.errors import TableError
from eqci_space.weather.analysis import availability, site_diversity


@pytest.fixture(scope="module")
def simulation(study):
    return eq.simulate_plan(study.plan, study.budget, study.keys, study.scenario, trials=30, rng=1)


def test_matrix_has_a_number_for_every_station_and_month(scenario):
    table = availability(scenario.stations)
    axes = eq.plot.availability_matrix(table)
    assert len(axes.texts) == 12 * len(table)
    best = table.mean(axis=1).idxmax()
    assert axes.get_yticklabels()[0].get_text().startswith(best)
    assert axes.texts[0].get_text() == f"{100 * table.loc[best, 1]:.0f}"
    with pytest.raises(TableError, match="months 1 to 12"):
        eq.plot.availability_matrix(table[[1, 2]])


def test_map_names_all_stations_and_the_best_pairs(scenario):
    month = availability(scenario.stations)[3]
    pairs = site_diversity(scenario.stations, month=3)
    axes = eq.plot.diversity_map(pairs, month, scenario.stations)
    assert {t.get_text().split()[0] for t in axes.texts} == set(scenario.stations)
    best = pairs[pairs["count"] == 2].iloc[0]
    assert axes.get_legend().get_texts()[0].get_text() == f"{best['stations']}: {100 * best['p_any_clear']:.0f} %"
    with pytest.raises(TableError, match="expected pairs"):
        eq.plot.diversity_map(pairs[pairs["count"] == 1], month, scenario.stations)


def test_droughts_are_survival_curves_in_days():
    axes = eq.plot.drought_distribution({"A": np.array([24, 48, 48, 96]), "none": np.array([])})
    (line,) = axes.lines
    assert_allclose(line.get_xdata(), [1, 2, 2, 4])
    assert_allclose(line.get_ydata(), [100, 75, 50, 25])
    assert axes.get_legend().get_texts()[0].get_text() == "A: mean 54 h"
    with pytest.raises(TableError, match="no drought"):
        eq.plot.drought_distribution({"none": np.array([])})


def test_fan_ends_at_the_totals(simulation, study):
    axes = eq.plot.delivery_fan(simulation, study.plan)
    everything, weather, expected = axes.lines
    assert_allclose(everything.get_ydata()[-1], np.median(simulation.space_key_bit) / 1e6)
    assert_allclose(weather.get_ydata()[-1], simulation.weather_only_contact_bit.sum(axis=1).median() / 1e6)
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"]
    assert_allclose(expected.get_ydata()[-1], planned["expected_skl_bit"].sum() / 1e6)


@pytest.mark.filterwarnings("error")
def test_fan_of_one_contact_has_an_hour_to_show_it(simulation, study):
    first = simulation.contact_bit.columns[:1]
    one = replace(
        simulation, contact_bit=simulation.contact_bit[first],
        weather_only_contact_bit=simulation.weather_only_contact_bit[first],
    )  # fmt: skip
    left, right = eq.plot.delivery_fan(one, study.plan).get_xlim()
    assert right - left == pytest.approx(1 / 24)


def test_tornado_is_widest_on_top(simulation):
    axes = eq.plot.cause_tornado(simulation)
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(widths, reverse=True)
    assert len(widths) == len(simulation.causes)
    together = 100 * max(0.0, 1 - simulation.causes["share_of_variance"].sum())
    assert axes.get_title() == f"causes that act together: {together:.0f} % of the variance"
    right = axes.get_xlim()[1]
    axes.figure.canvas.draw()
    for text in axes.texts:
        assert axes.transData.inverted().transform(text.get_window_extent())[1, 0] < right


def test_figures_are_the_same_bytes_twice(simulation, study):
    first, second = (eq.plot.delivery_fan(simulation, study.plan) for _ in range(2))
    assert first.figure._repr_png_() == second.figure._repr_png_()
    assert isinstance(simulation.contact_bit, pd.DataFrame)
