"""Single failures and outages against relays solved from scratch."""

import re
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

import eqci_space as eq
from eqci_space.errors import ScenarioError
from eqci_space.fiber.network import build_network
from eqci_space.fiber.relay import relay_keys
from eqci_space.fiber.resilience import outage_answer, single_failures
from eqci_space.fiber.verify import verify_relay
from eqci_space.scenario import Outage

TIMES = "start = 2027-03-02T12:00:00Z\nend = 2027-03-09T12:00:00Z\n"
_ENDS = 'between = ["BER", "WAW"]\n'
_HANDOVER = '[[handover]]\nname = "x"\ndomains = ["Q-net-Q", "CZQCI"]\n'
WEEK = {"start": datetime(2027, 3, 1, 12, tzinfo=UTC), "end": datetime(2027, 3, 8, 12, tzinfo=UTC)}


def _demand(name, rest):
    return f'[[demand]]\nname = "{name}"\n{rest}\n'


@pytest.fixture(scope="module")
def study(shipped_study):
    return shipped_study


@pytest.fixture(scope="module")
def ranking(study):
    return single_failures(study.deposits, study.scenario, network=study.network)


def with_outages(scenario, *outages):
    return scenario.model_copy(update={"outages": tuple(Outage(**o) for o in outages)})


@pytest.mark.parametrize(
    ("failure", "outage"),
    [
        ("node POZ", {"node": "POZ"}),
        ("node ERF", {"node": "ERF"}),
        ("satellite EAGLE1-LIKE", {"satellite": "EAGLE1-LIKE", "stops": "everything"}),
        ("station PQSAT", {"station": "PQSAT", "stops": "everything"}),
        ("link X-BER-POZ-5", {"link": "X-BER-POZ-5", "stops": "everything"}),
    ],
)
def test_single_failures_equal_relays_solved_from_scratch(study, ranking, failure, outage):
    relay = relay_keys(study.deposits, with_outages(study.scenario, {**outage, **WEEK}))
    assert ranking.loc[failure, "delivered_bit"] == pytest.approx(relay.delivery["delivered_bit"].sum(), rel=1e-6)
    base = study.relay.objective
    assert ranking.loc[failure, "lost_share"] == pytest.approx((base - relay.objective) / base, abs=1e-6)


@pytest.fixture(scope="module")
def screened(study):
    return single_failures(study.deposits, study.scenario, network=study.network, one_bin=True)


def test_failures_are_ranked_and_what_carries_nothing_loses_nothing(screened):
    assert screened["lost_bit"].is_monotonic_decreasing
    assert screened.loc["node BER", "lost_at_ends_bit"] == pytest.approx(7.7e9, rel=0.01)
    assert screened.loc["node SZZ", "lost_bit"] == 0.0
    assert set(screened["kind"]) == {"node", "link", "station", "satellite"}


def test_losing_the_satellite_costs_what_it_adds(study):
    """Screened in one bin too: the relay without the satellite is that of fibre alone."""
    added = study.relay.delivery["delivered_bit"].sum() - study.fibre_only.delivery["delivered_bit"].sum()
    for one_bin in (False, True):
        ranking = single_failures(study.deposits, study.scenario, network=study.network, kinds=("satellite",),
                                  one_bin=one_bin)  # fmt: skip
        assert ranking.loc["satellite EAGLE1-LIKE", "lost_bit"] == pytest.approx(added, rel=1e-6)


def test_a_station_with_its_node_and_last_mile_is_one_row(study, screened):
    assert not [name for name in screened.index if "OGS-PQSAT" in name or "LM-PQSAT" in name]
    lost = relay_keys(
        study.deposits, with_outages(study.scenario, {"node": "OGS-PQSAT", **WEEK}), network=study.network
    ).delivery["delivered_bit"].sum()  # fmt: skip
    assert screened.loc["station PQSAT", "delivered_bit"] == pytest.approx(lost, rel=1e-6)


@pytest.mark.parametrize(("start_h", "hours"), [(0, 24), (10, 46), (3, 5), (30, 1)])
def test_an_outage_of_so_many_hours_costs_so_many_hours(study, start_h, hours):
    """Poznan-Warsaw ends at the node that burns: 14,400 keys a day are lost for the hours of the fire, no more."""
    demand = next(d for d in study.scenario.demands if d.name == "control Poznan-Warsaw")
    scenario = study.scenario.model_copy(update={"demands": (demand,), "satellites": ()})
    start = WEEK["start"] + timedelta(hours=24 + start_h)
    changed = with_outages(scenario, {"node": "POZ", "start": start, "end": start + timedelta(hours=hours)})
    answer = outage_answer(study.deposits.iloc[:0], scenario, changed)
    assert answer.demands["shortage_bit"].iloc[0] == pytest.approx(hours / 24 * 14400 * 256, rel=1e-6)
    assert answer.demands["served_until"].iloc[0] == pd.Timestamp(start)
    relay = relay_keys(study.deposits.iloc[:0], changed)
    assert relay.delivery["shortage_bit"].sum() == pytest.approx(hours / 24 * 14400 * 256, rel=1e-6)
    verify_relay(relay, study.deposits.iloc[:0], changed)


def test_a_link_outage_is_served_from_stock_until_that_is_gone(study):
    """A store fills three days at rate r with drain d < r; without supply it lasts (r - d)/d of the three days."""
    demand = study.scenario.demands[8]
    assert demand.name == "control Poznan-Warsaw"
    scenario = study.scenario.model_copy(update={"demands": (demand,), "satellites": ()})
    links = build_network(scenario).links
    path = relay_keys(study.deposits.iloc[:0], scenario).routes["edges"].iloc[0]
    rate = links.loc[path, "skr_bit_s"].min() * 86400
    asked = rate / 1.5
    scenario = scenario.model_copy(
        update={"demands": (demand.model_copy(update={"keys_256_per_day": None, "bit_per_day": asked,
                                                      "forbidden_nodes": _off_path(links, path)}),)}
    )  # fmt: skip
    start = datetime(2027, 3, 4, 12, tzinfo=UTC)
    changed = with_outages(
        scenario, *({"link": str(links.loc[e, "route"]), "start": start, "end": WEEK["end"]} for e in path)
    )
    answer = outage_answer(study.deposits.iloc[:0], scenario, changed)
    # Three days leave 3 (1.5 - 1) = 1.5 days of stock: the second day without supply is served half.
    assert answer.demands.loc[demand.name, "served_until"] == pd.Timestamp("2027-03-05T12:00:00Z")
    assert answer.demands.loc[demand.name, "shortage_bit"] == pytest.approx(2.5 * asked, rel=1e-6)


def _off_path(links, path):
    on = set(links.loc[path, ["a", "b"]].to_numpy().ravel())
    return tuple(sorted(set(links[["a", "b"]].to_numpy().ravel()) - on))


def test_a_node_outage_takes_another_path_and_refills(study):
    changed = with_outages(study.scenario, {
        "node": "POZ", "start": datetime(2027, 3, 2, 12, tzinfo=UTC), "end": datetime(2027, 3, 4, 12, tzinfo=UTC),
    })  # fmt: skip
    answer = outage_answer(study.deposits, study.scenario, changed)
    row = answer.demands.loc["data centres Berlin-Warsaw"]
    assert "POZ" in row["path_before"]
    assert "POZ" not in row["path_during"]
    assert row["shortage_bit"] == pytest.approx(0.0, abs=10.0)
    assert answer.demands.loc["control Poznan-Warsaw", "shortage_bit"] == pytest.approx(2 * 14400 * 256, rel=1e-6)
    assert answer.stores["lowest_bit"].min() > 0
    assert (answer.stores["refilled_at"].dropna() >= pd.Timestamp("2027-03-03T12:00:00Z")).all()


def test_overlays_change_values_name_their_origin_and_revert_to_the_same(tmp_path):
    overlay = tmp_path / "flood.toml"
    overlay.write_text(
        '[fiber]\nreach_db = { value = 22, source = "assumed: ageing" }\n[stock]\n"QNQ-ERF-JEN" = 1e6\n'
        '[[demand]]\nname = "control Poznan-Warsaw"\nbit_per_day = 5e6\n'
        '[[outage]]\nnode = "POZ"\nstart = 2027-03-02T12:00:00Z\nend = 2027-03-09T12:00:00Z\n',
        encoding="utf-8",
    )
    base, changed = eq.load_scenario("quant-gpicz"), eq.load_scenario("quant-gpicz", overlays=[overlay])
    assert changed.fiber.reach_db == 22
    assert changed.demands[8].bit_per_day == 5e6
    assert changed.demands[8].keys_256_per_day is None
    assert changed.outages[0].node == "POZ"
    assert changed.stock == {"QNQ-ERF-JEN": 1e6}
    origin = {path: source for path, _, source in changed.sources}
    assert origin["fiber.reach_db"] == "assumed: ageing (flood.toml)"
    assert origin["demand.8.bit_per_day"] == "overlay flood.toml"
    assert origin["outage.0.node"] == "overlay flood.toml"
    assert changed.sha256 != base.sha256
    assert eq.load_scenario("quant-gpicz", overlays=[]) == base


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'[[outage]]\nnode = "POZN"\n{TIMES}', "outage.0.node: unknown node 'POZN'; did you mean 'POZ'"),
        (_demand("control Poznan-Warszawa", "weight = 3"), "no demand 'control Poznan-Warszawa' to change; did"),
        ("[link.QNQ-ERF-JEM]\nlength_km = 75\n", "unknown link 'QNQ-ERF-JEM'; did you mean 'QNQ-ERF-JEN'"),
        ('[stock]\n"EAGLE1-LIKE|GRATZ" = 1e6\n', "unknown edge 'EAGLE1-LIKE|GRATZ'; did you mean 'EAGLE1-LIKE|GRAZ'"),
        (f"{_HANDOVER}valid_until = 2026-12-31T00:00:00Z\n", "'x' expired on 2026-12-31, before the period"),
        (_HANDOVER.replace("CZQCI", "CZQCY"), "unknown domain 'CZQCY'; did you mean 'CZQCI'"),
        (_demand("control Poznan-Warsaw", 'assurance = "max_nodes"'), "'max_nodes'; did you mean 'max_nodes=N'"),
        (_demand("x", f"{_ENDS}bit_per_day = 1e6\notp_bit_s = 3"), "found bit_per_day and otp_bit_s"),
        (
            _demand("x", f"{_ENDS}service = {{ encryptors = 1, rekey_interval_s = 60, key_bit = 129 }}"),
            "128, 192 or 256",
        ),
    ],
)
def test_bad_overlays_are_named_with_near_matches(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=re.escape(message)):
        eq.load_scenario("quant-gpicz", overlays=[tmp_path / "bad.toml"])
