"""Plots of the key network: numbers are those of the tables, nothing is empty, labels stay apart."""

import numpy as np
import pandas as pd
import pytest
from label_checks import assert_labels_apart
from matplotlib.colors import to_rgba
from numpy.testing import assert_allclose

import eqci_space as eq
from eqci_space.errors import TableError
from eqci_space.report.plots.style import BLUE, GREY, ORANGE, RED


def bars(ax, colour):
    return [p for p in ax.patches if p.get_facecolor() == to_rgba(colour)]


@pytest.fixture(scope="module")
def replay(study, scenario):
    return eq.replay_routes(study.relay, study.deposits, scenario, traffic="poisson", rng=1)


@pytest.fixture(scope="module")
def failures(study, scenario):
    return eq.single_failures(study.deposits, scenario, network=study.network, one_bin=True)


# ---------------------------------------------------------------- exposure


def test_exposure_shows_fibre_and_plan_for_every_demand(study, scenario):
    ax = eq.plot.exposure_chart(study.relay, scenario)
    table = eq.exposure(study.relay, scenario)
    planned = [p.get_width() for p in bars(ax, BLUE)]
    assert_allclose(planned, table["trusted_nodes"] - table["foreign_nodes"])
    fibre = [p.get_width() for p in bars(ax, GREY)]
    # Berlin-Warsaw: twelve nodes between the ends along Frankfurt (Oder) and Poznan, and one hand-over.
    assert fibre[list(table.index).index("data centres Berlin-Warsaw")] == 12
    texts = [t.get_text() for t in ax.texts]
    assert len(texts) == 2 * len(table)
    assert texts[1].endswith("via EAGLE1-LIKE")
    assert texts[0] == "DE, PL; 1 hand-over"
    assert_labels_apart(ax)


def test_exposure_of_a_demand_without_key_says_so(study, scenario):
    ax = eq.plot.exposure_chart(study.fibre_only, scenario)
    assert [t.get_text() for t in ax.texts].count("no key delivered") == 3


def test_frontier_tells_fibre_from_space(scenario):
    table = pd.DataFrame({
        "assurance": ["any", "space_path", "max_nodes=0"], "delivered_bit": 7 * np.array([2.56e9, 2.56e5, 0.0]),
        "without_space_bit": 7 * np.array([2.56e9, 0.0, 0.0]), "bit_per_day": [2.56e9, 2.56e5, 0.0],
        "without_space_bit_per_day": [2.56e9, 0.0, 0.0],
    })  # fmt: skip
    ax = eq.plot.exposure_frontier_plot(table)
    assert [t.get_text() for t in ax.texts] == [
        "10,000,000 (fibre alone: same)", "1,000 (fibre alone: none)", "none",
    ]  # fmt: skip
    (space,) = [line for line in ax.lines if line.get_label() == "with space"]
    assert_allclose(space.get_xdata(), [1e7, 1e3])
    assert_labels_apart(ax)
    with pytest.raises(TableError, match="no class"):
        eq.plot.exposure_frontier_plot(table.iloc[:0])
    nothing = table.assign(bit_per_day=0.0, without_space_bit_per_day=0.0)
    assert [t.get_text() for t in eq.plot.exposure_frontier_plot(nothing).texts] == ["none"] * 3


# ---------------------------------------------------------------- delivery over time


def test_heat_map_has_the_share_of_every_demand_and_day(study):
    ax = eq.plot.demand_heatmap(study.relay)
    delivery = study.relay.delivery
    share = 100 * delivery["delivered_bit"] / delivery["asked_bit"]
    (image,) = ax.images
    assert image.get_array().shape == (10, 7)
    assert_allclose(np.sort(np.ravel(image.get_array())), np.sort(share))
    assert len(ax.texts) == 70
    assert [t.get_text() for t in ax.get_xticklabels()] == [f"{d}/{d + 1} Mar" for d in range(1, 8)]
    assert_labels_apart(ax)


def test_heat_map_of_many_bins_has_a_scale_instead_of_numbers(study, scenario):
    hourly = scenario.model_copy(update={"schedule": scenario.schedule.model_copy(update={"bin": "6h"})})
    relay = eq.relay_keys(study.deposits, hourly, network=study.network)
    ax = eq.plot.demand_heatmap(relay)
    assert len(ax.texts) == 0
    assert len(ax.figure.axes) == 2
    assert ax.get_xticklabels()[0].get_text() == "01 Mar\n12:00"
    assert_labels_apart(ax)


def test_replay_chart_splits_requests_into_on_time_late_and_blocked(replay):
    ax = eq.plot.replay_chart(replay)
    table = replay.demands
    assert len(ax.patches) == 3 * len(table)
    ended = table[["on_time_bit", "late_bit", "blocked_bit"]].sum(axis=1)
    for colour, column in ((BLUE, "on_time_bit"), (ORANGE, "late_bit"), (RED, "blocked_bit")):
        drawn = sum(abs(p.get_height()) for p in bars(ax, colour))
        assert_allclose(drawn, 0.8 * (table[column] / ended.where(ended > 0)).fillna(0).sum(), rtol=1e-9)
    first = table[table["demand"] == table["demand"].iloc[0]]
    share = 100 * first["on_time_bit"].sum() / first[["on_time_bit", "late_bit", "blocked_bit"]].to_numpy().sum()
    assert ax.texts[0].get_text().startswith(f"{share:.4g} %")
    assert_labels_apart(ax)


# ---------------------------------------------------------------- stores


def test_stores_show_levels_need_and_days_of_cover(study, scenario):
    edge = "EAGLE1-LIKE|PQSAT"
    ax = eq.plot.store_levels(study.relay, scenario, edges=[edge])
    mine = study.relay.stores[study.relay.stores["edge"] == edge].sort_values("bin")
    level, need = ax.lines
    scale = 1e6 if mine["stock_bit"].max() >= 1e6 else 1e3
    assert_allclose(level.get_ydata(), np.append(mine["initial_bit"].iloc[0], mine["stock_bit"]) / scale)
    assert_allclose(need.get_ydata()[0], mine["used_bit"].sum() / 7 / scale)
    cover = mine["stock_bit"].iloc[-1] / (mine["used_bit"].sum() / 7)
    assert ax.get_legend().get_texts()[0].get_text().endswith(f"{cover:.1f} days left")
    assert ax.get_title() == "Key stores"
    assert_labels_apart(ax)


def test_stores_in_use_are_the_default_and_unknown_ones_are_named(study, scenario):
    ax = eq.plot.store_levels(study.relay, scenario)
    stores = study.relay.stores
    space = stores[stores["edge"].str.contains("|", regex=False)]
    used = (space.groupby("edge")[["used_bit", "deposited_bit"]].sum().sum(axis=1) > 0).sum()
    assert len(ax.get_legend().get_texts()) == used
    assert "hypothetical: ONDREJOV" in ax.get_title()
    assert_labels_apart(ax)
    with pytest.raises(TableError, match=r"no store 'EAGLE1-LIKE\|PQSAD'.*EAGLE1-LIKE\|PQSAT"):
        eq.plot.store_levels(study.relay, scenario, edges=["EAGLE1-LIKE|PQSAD"])
    with pytest.raises(TableError, match="at most 8"):
        eq.plot.store_levels(study.relay, scenario, edges=stores["edge"].unique()[:9])
    empty = eq.plot.store_levels(study.fibre_only, scenario)
    assert [t.get_text() for t in empty.texts] == ["no satellite store in use"]


# ---------------------------------------------------------------- bottlenecks and failures


def test_map_prices_the_stores_of_stations(study, scenario):
    ax = eq.plot.bottleneck_map(study.relay, scenario)
    worth = study.relay.prices.groupby("edge")["worth_per_mbit"].sum() / 7
    texts = [t.get_text() for t in ax.texts]
    assert f"DLR-OP\n{worth['EAGLE1-LIKE|DLR-OP']:.3g} per Mbit" in texts
    assert "GRAZ" in texts
    assert {"Berlin", "Warsaw", "Prague"} <= set(texts)
    assert_labels_apart(ax)


def test_map_names_scarce_spans(study, scenario):
    """Asked for far more than the fibre has, the spans into Ostrava are what is short."""
    demand = next(d for d in scenario.demands if d.name == "control Prague-Ostrava")
    greedy = demand.model_copy(update={"keys_256_per_day": None, "bit_per_day": 1e12})
    relay = eq.relay_keys(
        study.deposits.iloc[:0], scenario.model_copy(update={"demands": (greedy,)}), network=study.network
    )
    ax = eq.plot.bottleneck_map(relay, scenario)
    edge = relay.prices.groupby("edge")["worth_per_mbit"].sum().idxmax()
    assert any(t.get_text().startswith(f"{edge}: ") for t in ax.texts)
    assert_labels_apart(ax)


def test_failures_stand_in_order_of_what_they_cost(failures):
    ax = eq.plot.failure_ranking(failures, most=12)
    widths = [p.get_width() for p in ax.patches]
    assert len(widths) == 12
    assert ax.texts[-1].get_text() == f"12 of {len(failures)} cases"
    assert widths == sorted(widths, reverse=True)
    assert_allclose(widths[0], 100 * failures["lost_share"].max())
    hatched = {t.get_text() for t, p in zip(ax.get_yticklabels(), ax.patches, strict=True) if p.get_hatch()}
    assert {"node WAW", "node PRG", "node BER"} <= hatched
    assert "satellite EAGLE1-LIKE" not in hatched
    assert_labels_apart(ax)
    with pytest.raises(TableError, match="no single failure"):
        eq.plot.failure_ranking(failures.assign(lost_share=0.0, lost_bit=0.0))
