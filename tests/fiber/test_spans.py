"""Links as chains of spans: nodes between Berlin and Frankfurt, rules of links, both readings of Poznan-Warsaw."""

import math
from fractions import Fraction

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from eqci_space.errors import InfeasibleError
from eqci_space.fiber.network import build_network
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.fiber.spans import link_spans, nodes_to_add, place_nodes, span_device, spans_within
from eqci_space.scenario import Coexistence, LinkRules, QkdDevice, load_scenario

APD = {  # generic classes of the reference tables: 1 GHz, 600 s blocks
    "pulse_rate_hz": 1e9, "detector_efficiency": 0.2, "receiver_loss_db": 3.0, "extraneous_probability": 5e-7,
    "intrinsic_error": 0.015, "afterpulse_probability": 0.01,
}  # fmt: skip
SNSPD = {
    "pulse_rate_hz": 1e9, "detector_efficiency": 0.8, "receiver_loss_db": 2.0, "extraneous_probability": 5e-8,
    "intrinsic_error": 0.01, "afterpulse_probability": 0.0,
}  # fmt: skip
SHEET = {**APD, "protocol": "datasheet", "datasheet": ((6.0, 1e5), (12.0, 1e4), (24.0, 100.0))}


def device(values=APD, **more):
    return QkdDevice(**{**values, **more})


@pytest.fixture
def fiber(scenario):
    own = {
        "device": device(SHEET),
        "reach_db": 24.0,
        "beyond_reach": "dead",
        "commissioning_factor": 0.5,
        "duty_cycle": 0.8,
    }
    return type(scenario.fiber).model_validate(scenario.fiber.model_dump() | own)


def link(km=48.0, db=12.0, listed=1):
    return pd.Series({"length_km": km, "loss_db": db, "listed_sites": listed})


@pytest.mark.parametrize(
    ("spans", "km", "rate", "digit"),
    [(6, 112, 2.5e4, 1e3), (7, 96, 6.7e4, 1e3), (8, 84, 1.3e5, 1e4), (9, 74, 2.2e5, 1e4), (10, 67, 3.3e5, 1e4)],
)
def test_berlin_frankfurt_in_equal_spans(spans, km, rate, digit):
    """670 km at 0.22 dB/km and 1 dB a span, generic avalanche diodes: the printed end-to-end rates to half a digit."""
    table = place_nodes(670.0, device(), spans=spans)
    assert len(table) == spans
    assert table["skr_bit_s"].min() == pytest.approx(rate, abs=0.5 * digit)
    assert (table["end_km"] - table["start_km"]).to_numpy() == pytest.approx([670 / spans] * spans)
    assert round(670 / spans) == pytest.approx(km, abs=0.6)
    assert table["loss_db"].to_numpy() == pytest.approx([0.22 * 670 / spans + 1.0] * spans)
    assert table["end_km"].iloc[-1] == pytest.approx(670.0)


def test_five_spans_need_cooled_detectors():
    """134 km a span, 30.5 dB: 4.4e3 bit/s with avalanche diodes, 7.7e4 with nanowires."""
    assert place_nodes(670.0, device(), spans=5)["skr_bit_s"].min() == pytest.approx(4.4e3, abs=50)
    assert place_nodes(670.0, device(SNSPD), spans=5)["skr_bit_s"].min() == pytest.approx(7.7e4, abs=500)


@pytest.mark.parametrize(("wanted", "spans"), [(0.0, 5), (2e4, 6), (5e4, 7), (1e5, 8), (2e5, 9), (3e5, 10)])
def test_fewest_spans_that_give_a_rate(wanted, spans):
    """Any rate takes five spans: four of 167.5 km and 37.9 dB give no key in 600 s."""
    table = place_nodes(670.0, device(), min_rate_bit_s=wanted, reach_db=40.0)
    assert len(table) == spans
    assert table["skr_bit_s"].min() >= wanted
    assert place_nodes(670.0, device(), spans=spans - 1)["skr_bit_s"].min() <= wanted


@pytest.mark.parametrize(
    ("reach_db", "spans"), [(24.0, 7), (25.5, 7), (25.6, 6), (30.4, 6), (30.48, 5), (16.0, 10), (1.5, 295)]
)
def test_placed_nodes_respect_the_reach(reach_db, spans):
    """0.22 dB/km · 670 km = 147.4 dB and 1 dB a span: five spans lose 30.48 dB each, six 25.57 dB, seven 22.06 dB."""
    table = place_nodes(670.0, device(), reach_db=reach_db)
    assert len(table) == spans == math.ceil(round(147.4 / (reach_db - 1.0), 9))
    assert table["within_reach"].all()
    assert table["loss_db"].max() <= reach_db + 1e-9


def test_a_stated_number_of_spans_says_whether_they_are_within_reach():
    """A network of 24 dB leaves five spans of 30.5 dB dead, though the device would give key over them."""
    assert not place_nodes(670.0, device(), spans=5)["within_reach"].any()
    assert place_nodes(670.0, device(), spans=7)["within_reach"].all()
    assert place_nodes(670.0, device(), spans=5, reach_db=30.48)["within_reach"].all()


def test_reach_binds_a_data_sheet_too():
    """Sheet to 24 dB: 300 km at 0.25 dB/km are 75 dB: 4 spans at 24 dB, 5 at 18 dB, 4 at 40 dB."""
    options = {"attenuation_db_km": 0.25, "terminal_loss_db": 0.0}
    sheet = device(SHEET)
    assert [len(place_nodes(300.0, sheet, reach_db=r, **options)) for r in (24.0, 18.0, 40.0)] == [4, 5, 4]


def test_commissioning_counts_in_the_wanted_rate():
    """At a fifth of the modelled rate, 20 kbit/s take what 100 kbit/s take new: eight spans."""
    table = place_nodes(670.0, device(), min_rate_bit_s=2e4, commissioning_factor=0.2)
    assert len(table) == 8
    assert table["skr_bit_s"].min() == pytest.approx(0.2 * 1.3e5, abs=0.1 * 1e4)


def test_nodes_by_a_data_sheet():
    """At 0.25 dB/km without terminals, spans of 100 km lose 25 dB, beyond the sheet; 75 km 18.75 dB: 10^(4 - 1.125)."""
    sheet = device(SHEET)
    options = {"attenuation_db_km": 0.25, "terminal_loss_db": 0.0}
    table = place_nodes(300.0, sheet, **options)
    assert len(table) == 4
    assert table["skr_bit_s"].iloc[0] == pytest.approx(10 ** (4 - 6.75 / 12 * 2), rel=1e-9)
    assert len(place_nodes(300.0, sheet, min_rate_bit_s=9999.0, **options)) == 7  # 12 dB are 48 km
    with pytest.raises(InfeasibleError, match="asked are 200,000"):
        place_nodes(300.0, sheet, min_rate_bit_s=2e5, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"length_km": 0.0}, "length_km=0.0"), ({"length_km": float("nan")}, "length_km=nan"),
        ({"attenuation_db_km": 0.0}, "attenuation_db_km=0.0"), ({"terminal_loss_db": -1.0}, "-1.0"),
        ({"spans": 0}, "spans=0"), ({"spans": 10_001}, "expected 1 to 10000"),
        ({"reach_db": 1.0}, "reach_db=1.0"), ({"reach_db": float("nan")}, "reach_db=nan"),
    ],
)  # fmt: skip
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        place_nodes(**{"length_km": 100.0, "device": device(), **arguments})


def test_a_rate_that_no_span_reaches_is_infeasible():
    with pytest.raises(InfeasibleError, match="place_nodes: even the shortest spans"):
        place_nodes(670.0, device(), min_rate_bit_s=1e9)


def test_span_of_a_data_sheet_device(fiber):
    """12 dB are 10 kbit/s by the sheet, times 0.5 commissioned and a duty of 0.8."""
    span = link_spans(link(), fiber, LinkRules())
    assert (span["spans"], span["length_km"], span["loss_db"], span["within_reach"]) == (1, 48.0, 12.0, True)
    assert span["skr_bit_s"] == pytest.approx(1e4 * 0.5 * 0.8)
    assert span["reason"] == ""


def brute(loss_db, reach_db):
    """Equal parts, one more at a time, until each is within reach, in exact fractions."""
    loss, reach, n = Fraction(str(loss_db)), Fraction(str(reach_db)), 1
    while loss / n > reach:
        n += 1
    return n


@pytest.mark.parametrize("seed", range(20))
def test_fewest_spans_within_reach_against_brute_force(seed):
    """Random losses of two decimals, and multiples of the reach with a hundredth of a decibel to either side."""
    rng = np.random.default_rng(seed)
    reach = round(float(rng.uniform(1, 40)), 2)
    multiples = [round(reach * n + step, 2) for n in range(1, 40) for step in (-0.01, 0.0, 0.01)]
    for loss in [*(round(float(x), 2) for x in rng.uniform(0, 400, 50)), *multiples]:
        assert spans_within(loss, reach) == brute(loss, reach), (loss, reach)


@pytest.mark.parametrize(("reach_db", "parts"), [(0.1, 3), (0.7, 3), (24.1, 3), (21.7, 7), (23.3, 49), (24.0, 9999)])
def test_losses_of_just_the_reach_survive_rounding(fiber, reach_db, parts):
    """Sums of equal parts such as 0.1 + 0.1 + 0.1 exceed three times 0.1 in the last digit: three spans, alive."""
    rules = LinkRules(beyond_reach="split", reach_db=reach_db, rate_bit_s=7.0)
    total = sum([reach_db] * parts)
    for loss in (total, reach_db * parts):
        found = link_spans(link(10.0, loss), fiber, rules)
        assert (found["spans"], found["within_reach"], found["skr_bit_s"]) == (parts, True, 7.0)
        assert nodes_to_add(loss, fiber, rules) == parts - 1


@pytest.mark.parametrize("seed", range(10))
def test_nodes_to_add_are_the_fewest_that_give_every_part_a_rate(fiber, seed):
    """Against one node more at a time; at random losses the reach decides, or the device where it ends before."""
    rng = np.random.default_rng(seed)
    bare = fiber.model_copy(update={"device": device(), "reach_db": float(rng.choice([12.0, 24.0, 60.0]))})
    for loss in np.round(rng.uniform(0, 200, 6), 1):
        split = fiber.model_copy(update={"device": device(), "reach_db": bare.reach_db})
        n = 0
        while loss / (n + 1) > split.reach_db + 1e-9 or fibre_key_rate_bit_s(float(loss / (n + 1)), device()) <= 0:
            n += 1
        assert nodes_to_add(float(loss), bare, LinkRules()) == n


def test_nodes_to_add_by_the_rules_of_the_link(fiber):
    """48 dB: one node at 24 dB, four at the link's 10 dB; a sheet that ends at 24 dB bounds a reach of 60 dB."""
    assert nodes_to_add(48.0, fiber, LinkRules()) == 1
    assert nodes_to_add(24.0, fiber, LinkRules()) == 0
    assert nodes_to_add(48.0, fiber, LinkRules(reach_db=10.0)) == 4
    assert nodes_to_add(48.0, fiber, LinkRules(reach_db=60.0)) == 1
    assert nodes_to_add(48.0, fiber, LinkRules(reach_db=60.0, rate_bit_s=1.0)) == 0
    assert nodes_to_add(48.0, fiber, LinkRules(rate_bit_s=0.0)) is None
    twin = fiber.model_copy(update={"device": device(protocol="twin-field"), "reach_db": 100.0})
    assert [nodes_to_add(loss, twin, LinkRules()) for loss in (190.0, 142.0, 143.0, 80.0)] == [2, 1, 2, None]
    hopeless = fiber.model_copy(update={"device": device(extraneous_probability=0.5)})
    assert nodes_to_add(48.0, hopeless, LinkRules()) is None


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"coexistence": Coexistence(launch_power_w=1e-2)}, "Raman light of the classical channels leaves no key"),
        ({"coexistence": Coexistence(counter_power_w=1e-3)}, "Raman light of the classical channels leaves no key"),
        ({"extra_error": 0.3}, "the extra error of 0.3 leaves no key"),
        ({"extra_error": 0.3, "coexistence": Coexistence(launch_power_w=1e-12)}, "the extra error of 0.3"),
        ({"loss_db": 40.0}, "the device gives no key at 40.0 dB"),
        ({"device": device(extraneous_probability=0.1)}, "the device gives no key at 18.6 dB"),
        ({"rate_bit_s": 0.0}, "a rate of 0 bit/s is stated"),
    ],
    ids=str,
)  # fmt: skip
def test_a_span_within_reach_that_gives_no_key_says_why(fiber, rules, reason):
    modelled = fiber.model_copy(update={"device": device(), "reach_db": 50.0})
    span = link_spans(link(db=18.6), modelled, LinkRules(**rules))
    assert (span["within_reach"], span["skr_bit_s"]) == (True, 0.0)
    assert span["reason"].startswith(reason)


def test_raman_light_of_the_networks_own_device_is_named_too(fiber):
    loud = fiber.model_copy(update={"device": device(coexistence=Coexistence(launch_power_w=1e-2))})
    span = link_spans(link(db=18.6), loud, LinkRules())
    assert (span["skr_bit_s"], span["reason"][:11]) == (0.0, "Raman light")
    # 0.01 W over 85 km need spans of a few kilometres: fewer nodes leave none.
    n = nodes_to_add(18.6, loud, LinkRules())
    assert fibre_key_rate_bit_s(round(18.6 / (n + 1), 6), loud.device) > 0
    assert fibre_key_rate_bit_s(round(18.6 / n, 6), loud.device) == 0.0


def test_dead_and_split_spans(fiber):
    """36 dB at a reach of 24 dB: dead, or two spans of 18 dB, half way down the sheet in decades: 1 kbit/s."""
    dead = link_spans(link(144.0, 36.0), fiber, LinkRules())
    assert (dead["spans"], dead["skr_bit_s"], dead["within_reach"]) == (1, 0.0, False)
    assert dead["reason"] == "36.0 dB exceed the reach of 24 dB"
    split = link_spans(link(144.0, 36.0), fiber, LinkRules(beyond_reach="split"))
    assert (split["spans"], split["length_km"], split["loss_db"]) == (2, 72.0, 18.0)
    assert split["skr_bit_s"] == pytest.approx(1e3 * 0.4)
    assert link_spans(link(192.0, 48.0), fiber, LinkRules(beyond_reach="split"))["spans"] == 2  # 24 dB each: just in
    assert link_spans(link(192.0, 48.1), fiber, LinkRules(beyond_reach="split"))["spans"] == 3
    assert link_spans(link(96.0, 24.0), fiber, LinkRules())["within_reach"]


def test_links_without_listed_sites_are_cut_every_80_km(fiber):
    assert [link_spans(link(km, km / 5, 0), fiber, LinkRules())["spans"] for km in (80.0, 80.1, 160.0, 232.0)] == [
        1,
        2,
        2,
        3,
    ]
    assert link_spans(link(160.0, 32.0, 1), fiber, LinkRules())["spans"] == 1
    long = link_spans(link(232.0, 60.0, 0), fiber, LinkRules())
    assert (long["length_km"], long["loss_db"]) == (pytest.approx(232 / 3), pytest.approx(20.0))


@pytest.mark.parametrize(
    ("rules", "rate"),
    [
        ({"rate_bit_s": 123.0}, 123.0), ({"rate_bit_s": 0.0}, 0.0),
        ({"commissioning_factor": 1.0}, 1e4 * 0.8), ({"duty_cycle": 1.0}, 1e4 * 0.5),
        ({"commissioning_factor": 0.1, "duty_cycle": 0.1}, 100.0),
        ({"loss_db": 24.0}, 100 * 0.4), ({"length_km": 24.0}, 1e5 * 0.4),
        ({"length_km": 24.0, "loss_db": 12.0}, 1e4 * 0.4),
        ({"reach_db": 11.9}, 0.0), ({"reach_db": 11.9, "rate_bit_s": 5.0}, 0.0),
        ({"reach_db": 30.0, "loss_db": 24.0}, 100 * 0.4),
    ],
    ids=str,
)  # fmt: skip
def test_rules_of_one_link(fiber, rules, rate):
    """Each rule against the sheet (6 dB: 100 kbit/s, 12 dB: 10 kbit/s, 24 dB: 100 bit/s), factors 0.5, 0.8."""
    assert link_spans(link(), fiber, LinkRules(**rules))["skr_bit_s"] == pytest.approx(rate, rel=1e-9)


def test_drift_coexistence_and_a_device_of_its_own(fiber):
    """Drift adds to the intrinsic error: 1.5 % and 2 % are a device of 3.5 %; other devices give their own rates."""
    modelled = fiber.model_copy(update={"device": device(), "commissioning_factor": 1.0, "duty_cycle": 1.0})
    drifted = LinkRules(extra_error=0.02)
    assert span_device(modelled, drifted).intrinsic_error == pytest.approx(0.035)
    assert link_spans(link(db=18.6), modelled, drifted)["skr_bit_s"] == pytest.approx(
        fibre_key_rate_bit_s(18.6, device(intrinsic_error=0.035))
    )
    plain = link_spans(link(db=18.6), modelled, LinkRules())["skr_bit_s"]
    assert plain == pytest.approx(
        162_722.77, rel=1e-5
    )  # 0.3 % below the reference table, whose sampling bound is lim2014
    own = LinkRules(device=device(SNSPD))
    assert link_spans(link(db=18.6), modelled, own)["skr_bit_s"] == pytest.approx(1_371_056.0, rel=1e-5)
    loud = LinkRules(coexistence=Coexistence(launch_power_w=1e-6))
    assert span_device(modelled, loud).coexistence == loud.coexistence
    assert 0 < link_spans(link(db=18.6), modelled, loud)["skr_bit_s"] < 0.999 * plain
    assert span_device(modelled, LinkRules()) is modelled.device
    assert span_device(modelled, LinkRules(extra_error=0.49)).intrinsic_error == 0.499


def live_graph(network):
    live = network.links[network.links["skr_bit_s"] > 0]
    return nx.Graph(list(zip(live["a"], live["b"], strict=True)))


def test_both_readings_of_poznan_warsaw(edited):
    """At 24 dB, 28 spans of the core are dead and Warsaw is cut off; six equal parts of the 380 km bring it back."""
    dead = ('beyond_reach = { value = "split"', 'beyond_reach = { value = "dead"')
    as_listed = build_network(load_scenario(edited(dead)))
    as_equal = build_network(
        load_scenario(edited(dead, ('network = "de-pl-cz"', 'network = "de-pl-cz"\nequal_spans = ["PIO-POZ-WAW"]')))
    )

    def dead_in_the_core(network):
        beyond = network.links[~network.links["within_reach"]]
        return beyond[~beyond.index.str.startswith(("LM-", "EU-"))]

    assert len(dead_in_the_core(as_listed)) == 28
    graph = live_graph(as_listed)
    assert all(not nx.has_path(graph, "WAW", node) for node in ("POZ", "BER", "PRG"))
    listed = as_listed.links[as_listed.links.index.str.startswith("PIO-POZ-WAW")]
    equal = as_equal.links[as_equal.links.index.str.startswith("PIO-POZ-WAW")]
    assert listed["length_km"].max() > 96  # 24 dB at 0.25 dB/km
    assert equal["length_km"].to_numpy() == pytest.approx([380 / 6] * 6, abs=0.1)
    assert equal["loss_db"].to_numpy() == pytest.approx([380 / 6 * 0.25] * 6, abs=0.05)
    assert equal["length_km"].sum() == pytest.approx(listed["length_km"].sum())
    assert nx.has_path(live_graph(as_equal), "WAW", "POZ")
    gone = set(dead_in_the_core(as_listed).index) - set(dead_in_the_core(as_equal).index)
    assert gone == set(listed.index[~listed["within_reach"]])
    others = as_equal.links.index.difference(equal.index)
    assert np.array_equal(as_equal.links.loc[others, "loss_db"], as_listed.links.loc[others, "loss_db"])
