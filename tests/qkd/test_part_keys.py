"""Key of parts of windows against the key of the same slots counted slot by slot, and the parts' own optimum."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import TableError
from eqci_space.qkd.blocks import BlockTable
from eqci_space.qkd.decoy import DecoyParameters, key_length
from eqci_space.qkd.part_keys import part_keys, part_rows
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.slots import nearest_edges, slot_edges, window_slots
from eqci_space.qkd.window_keys import part_responses, window_keys, window_responses

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


def by_slots(slots, keys, start, end, security):
    """Floored key of the slots whose middle lies between two times, as one block at the window's parameters."""
    inside = np.flatnonzero((slots.time >= start) & (slots.time < end))
    parameters = DecoyParameters(**json.loads(keys.loc[slots.window_id, "parameters"]))
    running = slots.running(parameters.mean_photon_number)
    each = np.diff(running, axis=0)[inside]
    block = BlockTable(each.sum(axis=0), slots.receiver.afterpulse_probability)
    return max(0, math.floor(key_length(block, parameters, security).length_bit - security.authentication_bit))


def test_every_part_on_offer_is_the_key_of_its_slots(study, scenario):
    """All 478 parts of the shipped week; sums in another order may move the last of a million bits."""
    security = security_parameters(scenario.protocol)
    parts = study.candidates[study.candidates.index.str.contains("@")]
    slots = {w.window_id: w for w in window_slots(study.budget, scenario)}
    expected = [by_slots(slots[r.window_id], study.keys, r.start, r.end, security) for r in parts.itertuples()]
    assert len(expected) == 478
    assert np.abs(parts["skl_bit"].to_numpy() - expected).max() <= 1


def test_key_of_known_parts(study, scenario):
    """Minutes of one pass: near the culmination a minute gives four times the minute at the end."""
    parts = table(
        ("20:07:00", "20:08:00"), ("20:08:00", "20:09:00"), ("20:05:00", "20:10:00"), ("20:05:08", "20:05:20")
    )
    found = part_keys(parts, study.budget, study.keys, scenario)
    assert found.iloc[:2].tolist() == pytest.approx([329267, 74281], abs=2)
    assert found.iloc[2] == pytest.approx(study.keys.loc[WINDOW, "skl_bit"], abs=2)
    assert found.iloc[3] == 0
    assert list(found.index) == list(parts.index)
    assert found.name == "skl_bit"


def test_key_is_superadditive_because_each_part_is_a_block(study, scenario):
    """Two blocks of a minute give less than one of two minutes: 329,267 + 74,281 against 708,339 bits."""
    both = part_keys(table(("20:07:00", "20:09:00")), study.budget, study.keys, scenario).iloc[0]
    assert both == pytest.approx(708339, abs=2)
    assert both > 329267 + 74281


def test_edges_move_to_the_nearest_slot_edge(study, scenario, slots):
    edges = slot_edges(slots)
    third = (edges[10] - edges[9]) / 3
    assert nearest_edges(slots, pd.DatetimeIndex([edges[9] + third, edges[9] + 2 * third])).tolist() == [9, 10]
    assert nearest_edges(slots, pd.DatetimeIndex([edges[0] - third, edges[-1] + third])).tolist() == [
        0, len(slots.time)]  # fmt: skip
    exact = pd.DataFrame({"window_id": WINDOW, "start": [edges[60], edges[60] - third, edges[60] + third],
                          "end": [edges[200], edges[200] + third, edges[200] - third]})  # fmt: skip
    key = part_keys(exact, study.budget, study.keys, scenario)
    assert (key == key.iloc[0]).all()
    assert key.iloc[0] > 0


def test_empty_part_has_no_key(study, scenario, slots):
    middle = slot_edges(slots)[50]
    parts = pd.DataFrame({"window_id": WINDOW, "start": [middle], "end": [middle]})
    assert part_keys(parts, study.budget, study.keys, scenario).tolist() == [0]
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


def test_rows_of_parts_are_those_of_their_slots(study):
    parts = table(("20:07:00", "20:08:00"), ("20:05:00", "20:10:00"))
    rows = part_rows(parts, study.budget)
    counts = rows["window_id"].value_counts(sort=False)
    assert counts.index.tolist() == ["p0", "p1"]
    mine = study.budget[study.budget["window_id"] == WINDOW]
    assert counts["p1"] == len(mine)
    assert rows.loc[rows["window_id"] == "p0", "weight_s"].sum() == pytest.approx(60, abs=1.01)
    assert (rows["time"].iloc[: counts["p0"]] >= parts["start"].iloc[0]).all()
    pd.testing.assert_frame_equal(
        rows[rows["window_id"] == "p1"].drop(columns="window_id").reset_index(drop=True),
        mine.drop(columns="window_id").reset_index(drop=True),
    )
    assert part_rows(parts.iloc[:0], study.budget).empty


def test_own_optimum_of_a_part_is_no_less_than_its_offer(study, scenario):
    parts = table(("20:06:00", "20:07:00"), ("20:07:00", "20:08:00"), ("20:08:00", "20:09:50"))
    offered = part_keys(parts, study.budget, study.keys, scenario)
    own = window_keys(part_rows(parts, study.budget), scenario)["skl_bit"]
    assert (own >= offered).all()
    assert own.loc["p1"] < study.keys.loc[WINDOW, "skl_bit"]


def test_response_of_a_part_starts_at_its_key_and_falls(study, scenario):
    parts = table(("20:07:00", "20:08:00"), ("20:05:00", "20:10:00"))
    response = part_responses(parts, study.budget, study.keys, scenario, [-1.0, 0.0, 1.0, 3.0, 10.0])
    assert response[0.0].tolist() == pytest.approx(part_keys(parts, study.budget, study.keys, scenario).tolist(), abs=2)
    assert (np.diff(response.to_numpy(), axis=1) <= 0).all()
    assert (response[10.0] < 0.05 * response[0.0]).all()
    windows = window_responses(study.budget[study.budget["window_id"] == WINDOW], study.keys, scenario, [0.0, 3.0])
    assert windows.loc[WINDOW].tolist() == pytest.approx(response.loc["p1", [0.0, 3.0]].tolist(), abs=2)


def test_response_of_a_part_takes_the_parts_own_parameters_where_it_has_any(study, scenario):
    parts = table(("20:07:00", "20:08:00"))
    own = window_keys(part_rows(parts, study.budget), scenario)
    both = pd.concat([study.keys, own])
    response = part_responses(parts, study.budget, both, scenario, [0.0]).iloc[0, 0]
    assert response == pytest.approx(own["skl_bit"].iloc[0], abs=2)
    assert response > part_responses(parts, study.budget, study.keys, scenario, [0.0]).iloc[0, 0]
    with pytest.raises(TableError, match="has no row in KEYS"):
        part_responses(parts, study.budget, study.keys.drop(index=WINDOW), scenario, [0.0])
