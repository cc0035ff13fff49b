"""Key of parts of windows against the key of the same slots counted slot by slot, and the parts' own optimum."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import TableError
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.protocols import parameter_limits, security_parameters
from eqci_space.qkd.slots import nearest_edges, slot_edges, window_slots
from eqci_space.qkd.window_keys import light_of
from eqci_space.qkd.window_responses import part_responses, window_responses

WINDOW = "EAGLE1-LIKE/PQSAT/20270301T200508Z/1"


@pytest.fixture(scope="module")
def slots(study, scenario):
    return next(window_slots(study.budget[study.budget["window_id"] == WINDOW], scenario))


def table(*spans, window=WINDOW):
    day = "2027-03-01T"
    return pd.DataFrame({
        "window_id": window, "start": pd.DatetimeIndex([pd.Timestamp(f"{day}{a}Z") for a, _ in spans]),
        "end": pd.DatetimeIndex([pd.Timestamp(f"{day}{b}Z") for _, b in spans]),
    }, index=[f"p{i}" for i in range(len(spans))])  # fmt: skip


def best_of_slots(slots, keys, start, end, scenario):
    """Floored key of the slots whose middle lies between two times, as one block: at its optimum, at the window's."""
    security, limits = security_parameters(scenario.protocol), parameter_limits(scenario.protocol)
    inside = np.flatnonzero((slots.time >= start) & (slots.time < end))
    parameters = DecoyParameters(**json.loads(keys.loc[slots.window_id, "parameters"]))
    block = slots.block(inside[0], inside[-1] + 1, *light_of(parameters))
    offered = key_length(block, parameters, security)
    best = optimise_key(block, security, limits=limits)
    light = light_of(best.parameters)  # whose dead time counts
    best = key_length(slots.block(inside[0], inside[-1] + 1, *light), best.parameters, security)
    return [max(0, math.floor(k.length_bit - security.authentication_bit)) for k in (best, offered)]


def test_every_part_on_offer_has_the_optimum_of_its_slots(study, scenario):
    """The search from the window's parameters finds what the whole search finds, up to a bit in a hundred thousand."""
    parts = study.candidates[study.candidates.index.str.contains("@")]
    slots = {w.window_id: w for w in window_slots(study.budget, scenario)}
    assert len(parts) > 450
    shown = parts.iloc[::9]
    best, offered = np.array([
        best_of_slots(slots[r.window_id], study.keys, r.start, r.end, scenario) for r in shown.itertuples()
    ]).T  # fmt: skip
    assert shown["skl_bit"].to_numpy() == pytest.approx(best, rel=1e-5, abs=2)
    assert (shown["skl_bit"].to_numpy() >= offered - 1).all()
    assert (best > 1.1 * offered).mean() > 0.2  # a session that adapts gains much where a part is unlike its window


def test_key_of_known_parts(study, scenario):
    """Minutes of one pass: near the culmination a minute gives twice the minute at the end."""
    parts = table(
        ("20:07:00", "20:08:00"), ("20:08:00", "20:09:00"), ("20:05:00", "20:10:00"), ("20:05:08", "20:05:20")
    )
    found = part_keys(parts, study.budget, study.keys, scenario)
    assert found["skl_bit"].iloc[:2].tolist() == pytest.approx([402813, 227341], abs=2)
    assert found["skl_bit"].iloc[2] == pytest.approx(study.keys.loc[WINDOW, "skl_bit"], abs=2)
    assert found["skl_bit"].iloc[3] == 0
    assert found["reason"].iloc[3] != ""
    assert list(found.index) == list(parts.index)
    assert found.index.name == "window_id"


def test_key_is_superadditive_because_each_part_is_a_block(study, scenario):
    """Two blocks of a minute give less than one of two minutes: 402,813 + 227,341 against 742,077 bits."""
    both = part_keys(table(("20:07:00", "20:09:00")), study.budget, study.keys, scenario)["skl_bit"].iloc[0]
    assert both == pytest.approx(742077, abs=2)
    assert both > 402813 + 227341


def test_a_part_of_a_common_protocol_sends_what_the_satellite_always_sends(study, scenario):
    common = scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"parameters": "common"})})
    parts = table(("20:07:00", "20:08:00"))
    found = part_keys(parts, study.budget, study.keys, common)
    assert found["parameters"].iloc[0] == study.keys.loc[WINDOW, "parameters"]
    assert found["skl_bit"].iloc[0] < 402813


def test_edges_move_to_the_nearest_slot_edge(study, scenario, slots):
    edges = slot_edges(slots)
    third = (edges[10] - edges[9]) / 3
    assert nearest_edges(slots, pd.DatetimeIndex([edges[9] + third, edges[9] + 2 * third])).tolist() == [9, 10]
    assert nearest_edges(slots, pd.DatetimeIndex([edges[0] - third, edges[-1] + third])).tolist() == [
        0, len(slots.time)]  # fmt: skip
    exact = pd.DataFrame({"window_id": WINDOW, "start": [edges[60], edges[60] - third, edges[60] + third],
                          "end": [edges[200], edges[200] + third, edges[200] - third]})  # fmt: skip
    key = part_keys(exact, study.budget, study.keys, scenario)["skl_bit"]
    assert (key == key.iloc[0]).all()
    assert key.iloc[0] > 0


def test_empty_part_has_no_key(study, scenario, slots):
    middle = slot_edges(slots)[50]
    parts = pd.DataFrame({"window_id": WINDOW, "start": [middle], "end": [middle]})
    assert part_keys(parts, study.budget, study.keys, scenario)["skl_bit"].tolist() == [0]
    none = part_keys(parts.iloc[:0], study.budget, study.keys, scenario)
    assert none.empty


def test_parts_without_key_or_protocol_are_refused(study, scenario):
    parts = table(("20:07:00", "20:08:00"))
    dark = study.keys.copy()
    dark.loc[WINDOW, "skl_bit"] = 0.0
    with pytest.raises(TableError, match=f"window '{WINDOW}' has no key in KEYS; leave its parts out"):
        part_keys(parts, study.budget, dark, scenario)
    with pytest.raises(TableError, match="has no key"):
        part_keys(parts, study.budget, study.keys.drop(index=WINDOW), scenario)
    pairs = scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"kind": "bbm92"})})
    with pytest.raises(TableError, match="'bbm92'; expected a decoy-state protocol"):
        part_keys(parts, study.budget, study.keys, pairs)


def test_response_of_a_part_starts_at_its_key_and_falls(study, scenario):
    parts = table(("20:07:00", "20:08:00"), ("20:05:00", "20:10:00"))
    own = part_keys(parts, study.budget, study.keys, scenario)
    both = pd.concat([study.keys, own])
    response = part_responses(parts, study.budget, both, scenario, [-1.0, 0.0, 1.0, 3.0, 10.0])
    assert response[0.0].tolist() == pytest.approx(own["skl_bit"].tolist(), abs=2)
    assert (np.diff(response.to_numpy(), axis=1) <= 0).all()
    assert (response[10.0] < 0.05 * response[0.0]).all()
    windows = window_responses(study.budget[study.budget["window_id"] == WINDOW], study.keys, scenario, [0.0, 3.0])
    assert windows.loc[WINDOW].tolist() == pytest.approx(response.loc["p1", [0.0, 3.0]].tolist(), rel=1e-5)


def test_response_of_a_part_takes_the_parts_own_parameters_where_it_has_any(study, scenario):
    parts = table(("20:07:00", "20:08:00"))
    both = pd.concat([study.keys, part_keys(parts, study.budget, study.keys, scenario)])
    response = part_responses(parts, study.budget, both, scenario, [0.0]).iloc[0, 0]
    assert response > part_responses(parts, study.budget, study.keys, scenario, [0.0]).iloc[0, 0]
    with pytest.raises(TableError, match="has no row in KEYS"):
        part_responses(parts, study.budget, study.keys.drop(index=WINDOW), scenario, [0.0])
