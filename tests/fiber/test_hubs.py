"""Weakest spans between hubs, on a network made by hand."""

import pandas as pd
import pytest

from eqci_space.fiber.hubs import hub_spans
from eqci_space.fiber.network import Network


def network(*spans):
    """Hubs A and Z and plain nodes between, from (a, b, loss, length)."""
    rows = [
        {"a": a, "b": b, "loss_db": loss, "length_km": length, "skr_bit_s": 0.0 if loss > 24 else 1000.0 - loss}
        for a, b, loss, length in spans
    ]
    names = sorted({r[end] for r in rows for end in "ab"})
    nodes = pd.DataFrame({"role": ["hub" if n in "AZ" else "node" for n in names]}, index=pd.Index(names, name="node"))
    links = pd.DataFrame(rows, index=pd.Index([f"{r['a']}-{r['b']}" for r in rows], name="link"))
    return Network(nodes, links)


@pytest.mark.parametrize(
    ("losses", "nodes_to_add", "where"),
    [
        ((20.0, 24.0), 0, ""),  # the reach itself is within reach
        ((20.0, 24.1), 1, "M-Z"),
        ((48.0, 10.0), 1, "A-M"),  # two spans of 24 dB
        ((48.1, 10.0), 2, "A-M"),
        ((30.0, 73.0), 1 + 3, "A-M, M-Z"),
    ],
)
def test_nodes_to_add_bring_every_span_within_reach(scenario, losses, nodes_to_add, where):
    """A span of n reaches needs n - 1 nodes; the reach is 24 dB."""
    assert scenario.fiber.reach_db == 24
    (row,) = hub_spans(network(("A", "M", losses[0], 90.0), ("M", "Z", losses[1], 60.0)), scenario).itertuples()
    assert (row.nodes_to_add, row.where, row.spans, row.length_km) == (nodes_to_add, where, 2, 150.0)
    assert row.loss_db == max(losses)
    assert row.binding_span == ("A-M" if losses[0] > losses[1] else "M-Z")


def test_the_path_of_the_smallest_largest_loss_counts_and_of_those_the_shortest(scenario):
    """One span of 26 dB loses against two of 20 and 22 dB, and these against a shorter pair of 22 and 21 dB."""
    spans = (("A", "Z", 26.0, 50.0), ("A", "M", 20.0, 90.0), ("M", "Z", 22.0, 90.0), ("A", "N", 22.0, 60.0),
             ("N", "Z", 21.0, 60.0))  # fmt: skip
    (row,) = hub_spans(network(*spans), scenario).itertuples()
    assert (row.loss_db, row.length_km, row.binding_span, row.nodes_to_add) == (22.0, 120.0, "A-N", 0)
