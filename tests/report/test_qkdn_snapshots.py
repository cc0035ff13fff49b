"""Snapshots of the network: rates by hand, identities, references, sums."""

import json
import uuid
from dataclasses import replace

import pandas as pd
import pytest

from eqci_space.report.exports.qkdn_snapshots import network_snapshots


def links(snapshot):
    return {x["eqci_link"]: x for x in snapshot["qkd_links"]["qkd_link"]}


def test_rates_of_a_hand_made_day(small):
    (snapshot,) = network_snapshots(small)
    found = links(snapshot)
    fibre = found["A-M"]
    assert fibre["qkdl_type"] == "etsi-qkd-node-types:PHYS"
    assert fibre["phys_channel_att"] == 9.5
    assert fibre["performance"] == {"expected_consumption": 1, "skr": 10, "eskr": 9}  # 86 400 of 864 000 bit in a day
    assert found["M-B"]["qkdl_status"] == "etsi-qkd-node-types:OFF"
    space = found["S|G"]
    assert (space["performance"]["skr"], space["phys_wavelength"], space["eqci_expected_bit"]) == (10, 850.0, 864_000)
    assert space["eqci_windows"] == [{"start": "2027-03-01T20:00:00Z", "end": "2027-03-01T20:05:00Z"}]
    assert space["qkdl_remote"]["eqci_node"] == "OGS-G"
    virtual = found["bank"]
    assert (virtual["qkdl_type"], virtual["virt_bandwidth"]) == ("etsi-qkd-node-types:VIRT", 1)
    assert (virtual["eqci_path"], virtual["eqci_bit"]) == (["A", "M", "B"], 86_400)
    nodes = {n["qkdn_location_id"]: n["qkdn_id"] for n in snapshot["qkd_nodes"]["qkd_node"]}
    assert set(nodes) == {"A", "M", "B", "S", "OGS-G"}
    assert virtual["virt_next_hop"] == [nodes["M"]]
    (app,) = snapshot["qkd_applications"]["qkd_app"]
    assert app["app_qos"] == {"max_bandwidth": 2}
    assert app["backing_qkdl_id"] == [virtual["qkdl_id"]]
    assert (app["local_qkdn_id"], app["remote_qkdn_id"]) == (nodes["A"], nodes["B"])
    assert (app["eqci_asked_bit"], app["eqci_delivered_bit"]) == (172_800, 86_400)


def test_shares_of_one_bundle_are_marked_and_a_single_edge_backs_directly(small):
    routes = small.tables["routes"]
    shares = pd.concat([routes, routes.assign(path=[["A", "S", "B"]], edges=[["S|A", "S|B"]])])
    direct = routes.assign(path=[["A", "M"]], edges=[["A-M"]], bundle=1)
    (snapshot,) = network_snapshots(replace(small, tables={**small.tables, "routes": pd.concat([shares, direct])}))
    virtual = [x for x in snapshot["qkd_links"]["qkd_link"] if x["qkdl_type"].endswith("VIRT")]
    assert [x["eqci_bundle"] for x in virtual] == [0, 0]
    backing = snapshot["qkd_applications"]["qkd_app"][0]["backing_qkdl_id"]
    assert backing == [virtual[0]["qkdl_id"], virtual[1]["qkdl_id"], links(snapshot)["A-M"]["qkdl_id"]]


@pytest.mark.parametrize("level", ["internal", "public"])
def test_every_snapshot_holds_together(exported, material, level):
    document = json.loads((exported[level] / "qkdn.json").read_text(encoding="utf-8"))
    assert document["release"] == level
    assert len(document["snapshots"]) == len(material.tables["bins"])
    delivery = material.tables["delivery"].groupby("bin")["delivered_bit"].sum()
    for snapshot, delivered in zip(document["snapshots"], delivery, strict=True):
        nodes = {n["qkdn_id"] for n in snapshot["qkd_nodes"]["qkd_node"]}
        every = snapshot["qkd_links"]["qkd_link"]
        ids = [x["qkdl_id"] for x in every]
        assert len(set(ids)) == len(ids)
        assert all(uuid.UUID(i).version == 5 for i in [*ids, *nodes])
        for link in every:
            assert {link["qkdl_local"]["qkdn_id"], link["qkdl_remote"]["qkdn_id"]} <= nodes
            assert set(link.get("virt_next_hop", [])) <= nodes
            if "performance" in link:
                assert 0 <= link["performance"].get("eskr", 0) <= link["performance"]["skr"] < 2**32
        apps = snapshot["qkd_applications"]["qkd_app"]
        assert {b for a in apps for b in a["backing_qkdl_id"]} <= set(ids)
        assert sum(a["eqci_delivered_bit"] for a in apps) == pytest.approx(delivered, abs=len(apps))
    windows = [
        w for s in document["snapshots"] for x in s["qkd_links"]["qkd_link"] for w in x.get("eqci_windows", [])
    ]  # fmt: skip
    contacts = material.tables["contacts"]
    assert len(windows) == (contacts["status"] == "planned").sum()


def test_interfaces_are_numbered_per_node_and_keep_their_number(exported):
    document = json.loads((exported["internal"] / "qkdn.json").read_text(encoding="utf-8"))
    owner: dict[tuple[str, int], str] = {}
    for snapshot in document["snapshots"]:
        for link in snapshot["qkd_links"]["qkd_link"]:
            for end in ("qkdl_local", "qkdl_remote"):
                place = (link[end]["qkdn_id"], link[end]["qkdi_id"])
                assert owner.setdefault(place, link["qkdl_id"]) == link["qkdl_id"]
    assert len(owner) > 100
