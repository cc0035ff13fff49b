"""The shipped terminals, stations and detectors: every value with its source, and budgets that mean something."""

import tomllib

import pytest

from eqci_space.data import data_path
from eqci_space.scenario import QkdDevice, Receiver, Terminal

KINDS = {"terminals": Terminal, "receivers": Receiver, "devices": QkdDevice}


def presets(kind):
    return tomllib.loads(data_path("presets", f"{kind}.toml").read_text(encoding="utf-8"))


NAMES = [(kind, name) for kind in KINDS for name in presets(kind)]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_every_value_states_its_source_and_is_valid(kind, name):
    table = presets(kind)[name]
    assert all(set(entry) == {"value", "source"} for entry in table.values())
    assert all(len(entry["source"]) >= len("assumed") for entry in table.values())
    KINDS[kind](**{key: entry["value"] for key, entry in table.items()})


def test_the_catalogue_has_the_classes_of_missions_stations_and_detectors():
    terminals, receivers = presets("terminals"), presets("receivers")
    eagle = [f"eagle1-like-{word}" for word in ("pessimistic", "nominal", "optimistic")]
    assert {*eagle, "micius-like-850nm", "cubesat-785nm"} <= set(terminals)
    assert [terminals[name]["wavelength_m"]["value"] for name in eagle] == [1.55e-6] * 3
    stations = {name: table for name, table in receivers.items() if name.startswith("ogs-")}
    assert {0.4, 0.8, 1.0, 2.3} == {table["aperture_diameter_m"]["value"] for table in stations.values()}
    assert {"ground-13cm-785nm", "satellite-30cm-si"} == (set(terminals) | set(receivers)) - set(stations) - {
        *eagle, "micius-like-850nm", "cubesat-785nm"
    }  # fmt: skip
    # Hold-off, efficiency and dark counts tell silicon, InGaAs and nanowire detectors apart.
    kinds = {name.split("-")[2]: table for name, table in receivers.items()}
    assert set(kinds) == {"ingaas", "snspd", "si"}
    assert kinds["ingaas"]["dead_time_s"]["value"] > 100 * kinds["si"]["dead_time_s"]["value"]
    assert kinds["snspd"]["detector_efficiency"]["value"] > kinds["si"]["detector_efficiency"]["value"]


def test_divergence_of_micius_is_the_printed_loss_of_its_disc():
    """10 µrad as a uniform disc over 1200 km and 1 m: 20 lg 12 = 21.58 dB on the axis, printed as 22."""
    terminal = presets("terminals")["micius-like-850nm"]
    assert terminal["divergence_definition"]["value"] == "uniform_disc"
    assert terminal["divergence_rad"]["value"] * 1.2e6 / 1.0 == pytest.approx(12.0)


@pytest.mark.parametrize(
    ("name", "obscuration", "optimum"), [("eagle1-like-nominal", 0.0, 1.12), ("cubesat-785nm", 0.3, 1.02)]
)
def test_beams_fill_their_apertures_as_klein_and_degnan_advise(name, obscuration, optimum):
    """α = a/w0 of 1.12 - 1.30γ² + 2.12γ⁴: 1.12 without obscuration, 1.02 at 0.3."""
    terminal = presets("terminals")[name]
    assert terminal["obscuration_ratio"]["value"] == obscuration
    ratio = terminal["aperture_diameter_m"]["value"] / 2 / terminal["beam_radius_m"]["value"]
    assert ratio == pytest.approx(optimum, abs=6e-3)
