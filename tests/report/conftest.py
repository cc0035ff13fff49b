"""What the export tests share: a plan with a backup and a cancelled contact, released to both circles of readers."""

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from eqci_space.report.exports.export_set import write_exports
from eqci_space.report.release import Released, export_material, release

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def contacts(study):
    """The study's planned contacts, one backup of the first at a station that is free, and a cancelled contact."""
    candidates = study.candidates
    planned = study.plan.contacts[study.plan.contacts["status"] == "planned"].sort_values("start", kind="stable")
    first = planned.iloc[0]
    rivals = candidates[
        (candidates["satellite"] == first["satellite"])
        & (candidates["ogs"] != first["ogs"])
        & (candidates["start"] < first["end"])
        & (candidates["end"] > first["start"])
    ]
    spare = rivals.iloc[[0]].assign(status="backup", reason="stands in for the first")
    idle = candidates[~candidates.index.isin([*planned["candidate_id"], *rivals.index])]
    more = pd.concat([spare, idle.iloc[[0]].assign(status="cancelled", reason="given up")])
    more = more.assign(candidate_id=more.index.astype(str), expected_skl_bit=more["skl_bit"] * more["p_clear"])
    more.index = pd.Index(more.index.astype(str), name="contact_id")
    more = more.reindex(columns=planned.columns, fill_value="")
    return pd.concat([planned, more]).sort_values("start", kind="stable")


@pytest.fixture(scope="session")
def material(study, contacts):
    tables = {**study.run.tables, "contacts": contacts}
    return export_material(tables, study.run.manifest, study.scenario, network=study.network, prices=study.relay.prices)


@pytest.fixture(scope="session")
def exported(material, tmp_path_factory):
    """Directories with all exports, by level."""
    folders = {level: tmp_path_factory.mktemp(level) for level in ("internal", "public")}
    for level, folder in folders.items():
        write_exports(release(material, level=level), folder)
    return folders


@pytest.fixture
def small():
    """A hand-made release: two nodes, one relay node, one satellite contact, one day."""
    start, end = pd.Timestamp("2027-03-01T12:00Z"), pd.Timestamp("2027-03-02T12:00Z")
    contact = {
        "candidate_id": "S/G/1", "window_id": "S/G/1", "satellite": "S", "ogs": "G", "ogs_b": "",
        "start": pd.Timestamp("2027-03-01T20:00Z"), "end": pd.Timestamp("2027-03-01T20:05Z"), "skl_bit": 1_728_000.0,
        "expected_skl_bit": 864_000.0, "p_clear": 0.5, "status": "planned", "reason": "",
    }  # fmt: skip
    place = {
        "name": "Hill", "country": "AT", "latitude_deg": 47.0678, "longitude_deg": 15.4933, "height_ellipsoid_m": 539.0,
        "node": "B", "key_node": "OGS-G", "status_class": "operational", "mobile": False,
    }  # fmt: skip
    link = {"a": "A", "b": "M", "loss_db": 9.5, "skr_bit_s": 10.0, "valid_from": start, "valid_to": end}
    tables = {
        "contacts": pd.DataFrame([contact], index=pd.Index(["S/G/1"], name="contact_id")),
        "sites": pd.DataFrame([place], index=pd.Index(["G"], name="ogs")).assign(valid_from=start, valid_to=end),
        "satellites": pd.DataFrame({"operator": "", "nation": "", "wavelength_nm": 850.0}, index=["S"]),
        "nodes": pd.DataFrame({"country": "AT", "domain": "ring"}, index=pd.Index(["A", "M", "B"], name="node")),
        "links": pd.DataFrame([link, {**link, "a": "M", "b": "B", "skr_bit_s": 0.0}], index=["A-M", "M-B"]),
        "demands": pd.DataFrame(
            {"a": "A", "b": "B", "purpose": "other", "asked_bit_per_day": 172_800.0},
            index=pd.Index(["bank"], name="demand"),
        ),
        "bins": pd.DataFrame({"start": [start], "end": [end]}),
        "stores": pd.DataFrame(
            {"bin": [start] * 2, "edge": ["A-M", "S|G"], "deposited_bit": [864_000.0, 0.0], "used_bit": [86_400.0, 0.0]}
        ),
        "routes": pd.DataFrame(
            {"bin": [start], "demand": ["bank"], "path": [["A", "M", "B"]], "edges": [["A-M", "M-B"]],
             "bit": [86_400.0], "share": [1.0], "bundle": [0]}
        ),
        "delivery": pd.DataFrame(
            {"bin": [start], "demand": ["bank"], "asked_bit": [172_800.0], "delivered_bit": [86_400.0],
             "shortage_bit": [86_400.0]}
        ),
    }  # fmt: skip
    return Released("internal", "small", start, end, tables, {"release": "internal"})


@pytest.fixture
def with_contacts():
    """A release with other contacts, given as dictionaries of what differs from its first one."""

    def make(released, *changes):
        first = released.tables["contacts"].iloc[0]
        rows = [{**first, **c} for c in changes]
        names = [c.get("contact_id", f"contact-{n}") for n, c in enumerate(changes)]
        table = pd.DataFrame(rows, columns=first.index, index=pd.Index(names, name="contact_id", dtype=str))
        for edge in ("start", "end"):
            table[edge] = pd.to_datetime(table[edge], utc=True)
        return replace(released, tables={**released.tables, "contacts": table})

    return make
