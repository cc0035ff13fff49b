"""Measured chains beside the satellite passes: fibre, entangled pairs, data in the same fibre, field trials.

A row of ``measured_chains.csv`` names its adapter (`kind`), gives the adapter's inputs as JSON and names in words what
is assumed beyond the source. Rows without a kind are gaps. Nothing is fitted: devices are the shipped presets.
"""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import numpy as np
from anchors import sifted
from scipy.optimize import minimize_scalar
from verdicts import Verdict, gap, judge

from eqci_space.data import data_path
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.qkd.asymptotic import infinite_decoy_rate
from eqci_space.qkd.blocks import block_table
from eqci_space.qkd.counts import Counts, slot_counts
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.entangled import entangled_key
from eqci_space.qkd.optimiser import optimise_key
from eqci_space.qkd.security import SecurityParameters
from eqci_space.scenario import QkdDevice
from eqci_space.units import ratio_from_db

__all__ = ["ADAPTERS", "UNITS", "chain_rows", "chain_verdict"]

TABLE = Path(__file__).parent / "measured_chains.csv"
UNITS = {"bit": 1.0, "kbit": 1e3, "bit/s": 1.0, "kbit/s": 1e3, "%": 0.01, "1": 1.0}
INFINITE = SecurityParameters(bound="asymptotic", leakage="block")
BOTH_BASES = SecurityParameters(0.5e-9, 0.5e-15)


def device(i):
    """A shipped preset, with the changes that the row names."""
    table = tomllib.loads(data_path("presets", "devices.toml").read_text(encoding="utf-8"))[i["device"]]
    return QkdDevice(**({name: entry["value"] for name, entry in table.items()} | i.get("changes", {})))


def loss_db(i):
    return i["loss_db"] if "loss_db" in i else i["length_km"] * i["attenuation_db_km"]


def pair_key_bit(i, security):
    """Key of the pairs of a time [s], both bases alike."""
    qber = i["qber"] if "qber" in i else (1 - i["visibility"]) / 2
    return entangled_key(i["pairs_hz"] * i["duration_s"], qber, security, key_basis_probability=0.5).length_bit


def device_rate_ratio(i):
    first, last = (fibre_key_rate_bit_s(loss, device(i)) for loss in i["losses_db"])
    return first / last


def device_qber(i):
    """Error rate of the sifted key at the parameters that give the most key."""
    d = device(i)
    eta = float(ratio_from_db(loss_db(i) + d.receiver_loss_db)) * d.detector_efficiency
    block = block_table(eta, d.extraneous_probability, d.intrinsic_error, d.pulse_rate_hz * d.block_s,
                        afterpulse_probability=d.afterpulse_probability)  # fmt: skip
    return optimise_key(block).qber


def infinite_key_ratio(i):
    """Key per pulse of one span over that of a longer one, the error rates given, the intensity the best for each."""

    def most(length_km, qber):
        eta, lean = float(ratio_from_db(length_km * i["attenuation_db_km"])), float(np.arcsin(np.sqrt(qber)))
        found = minimize_scalar(
            lambda mu: -infinite_decoy_rate(
                efficiency=eta, mean_photon_number=mu, dark_probability=0.0, misalignment_rad=lean,
                error_correction_efficiency=1.16,
            ).rate_bit,
            bounds=(0.01, 1.5), method="bounded",
        )  # fmt: skip
        return -found.fun

    first, last = (most(*pair) for pair in zip(i["lengths_km"], i["qber"], strict=True))
    return first / last


def flown_block_key(i):
    """Key of a pass whose sifted bits and error rate are given: both bases give key, each tested by the other."""
    used = DecoyParameters(0.5, *i["sent"][:2], *i["mean_photon_numbers"])
    one = slot_counts(i["transmittance"], 0.0, i["qber"], 1.0, used)
    pulses = i["sifted_bit"] / sifted(one)
    counts = Counts(*(pulses * part for part in (one.key_basis, one.test_basis, one.key_errors, one.test_errors)))
    return 2 * key_length(counts, used, BOTH_BASES).length_bit


ADAPTERS = {
    "pair_key": lambda i: pair_key_bit(i, None),
    "pair_key_infinite": lambda i: pair_key_bit(i, INFINITE),
    "pair_key_share": lambda i: pair_key_bit(i, None) / pair_key_bit(i, INFINITE),
    "device_rate": lambda i: fibre_key_rate_bit_s(loss_db(i), device(i)),
    "device_rate_ratio": device_rate_ratio,
    "device_qber": device_qber,
    "infinite_key_ratio": infinite_key_ratio,
    "flown_block_key": flown_block_key,
}


def chain_rows() -> list[dict[str, str]]:
    """The table."""
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def chain_verdict(row: dict[str, str]) -> tuple[float | None, Verdict]:
    """The model's value in the unit of the row, and the verdict; no value for a gap."""
    if not row["kind"]:
        return None, gap(row["why"])
    value = float(ADAPTERS[row["kind"]](json.loads(row["inputs"]))) / UNITS[row["unit"]]
    found = judge(
        float(row["published"]), value, row["tolerance"], unit=row["unit"], grade=row["grade"], why=row["why"]
    )
    return value, found
