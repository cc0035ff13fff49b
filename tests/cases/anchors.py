"""Published figures of missions and devices, each with the model's own value; reported, never fitted to.

An entry per id of ``validation_set.csv`` gives the model's value, its tolerance, and whether the figure was read in the
source, is recalled or is what the model was made from. Ids without a function are gaps: their inputs are not published.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from verdicts import Verdict, judge

from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.qkd.counts import slot_counts
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.entangled import asymptotic_fraction, entangled_key
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.twin_field import twin_field_rate_bit_s
from eqci_space.scenario import QkdDevice

__all__ = ["ANCHORS", "GAPS", "Anchor", "anchor_verdict"]

# Micius over Xinglong (Liao et al. 2017): slant range [km] and loss to the detector's face [dB], as digitised
# in the examples of QCompute's QuantumNetwork.
RANGE_KM = np.array([645, 700, 750, 800, 850, 900, 950, 1000, 1050, 1100, 1150, 1200.0])
LOSS_DB = np.array([29.75, 30.54, 30.90, 30.94, 31.84, 32.28, 33.06, 34.42, 35.51, 36.05, 37.33, 40.34])
PULSE_RATE_HZ, DETECTOR_EFFICIENCY = 1e8, 0.5
BALANCED = DecoyParameters(0.5, 0.5, 0.25, 0.8, 0.1)
PASS_S = 274
NOISE = 5e-7  # per detector: 1e-6 per pulse, assumed


def efficiency(loss_db):
    return DETECTOR_EFFICIENCY * 10 ** (-np.asarray(loss_db) / 10)


def pass_efficiency():
    """One-second slots: the track is a straight line past the station, 1196 km away 131 s before the closest point."""
    speed = np.sqrt(1196.0**2 - 645.0**2) / 131
    since = np.arange(PASS_S) + 0.5 - 131
    return efficiency(np.interp(np.sqrt(645.0**2 + (speed * since) ** 2), RANGE_KM, LOSS_DB))


def counts(eta, noise=0.0, error=0.0):
    return slot_counts(eta, noise, error, PULSE_RATE_HZ, BALANCED)


def sifted(c):
    return float(c.key_basis.sum() + c.test_basis.sum())


def pass_key(f_ec):
    """Both bases give key, each tested by the other, at half the failure probability."""
    security = SecurityParameters(0.5e-9, 0.5e-15, f_ec)
    return 2 * key_length(counts(pass_efficiency(), NOISE, 0.01), BALANCED, security).length_bit


def pass_qber():
    c = counts(pass_efficiency(), NOISE, 0.01)
    return 100 * float(c.key_errors.sum() / c.key_basis.sum())


def yin(sampling, epsilon):
    """3100 sifted bits with 140 errors, in both bases."""
    security = SecurityParameters(epsilon, 1e-10, 1.19, leakage="block", sampling=sampling)
    return entangled_key(6200, 140 / 3100, security, key_basis_probability=0.5).length_bit


APD = QkdDevice(pulse_rate_hz=1e9, detector_efficiency=0.2, receiver_loss_db=3.0, extraneous_probability=5e-7,
                intrinsic_error=0.015, afterpulse_probability=0.01)  # fmt: skip


def apd_kbit(loss_db, intrinsic_error=0.015):
    device = APD.model_copy(update={"intrinsic_error": intrinsic_error})
    return fibre_key_rate_bit_s(loss_db, device) / 1e3


class Anchor(NamedTuple):
    """A published figure, the model's value as a function, its tolerance, and where the figure comes from."""

    what: str
    published: float
    unit: str
    model: Callable[[], float]
    tolerance: str
    grade: str = "stated"
    why: str = ""


ANCHORS = {
    "V1": Anchor("sifted rate at 645 km", 12.0, "kbit/s", lambda: sifted(counts(efficiency([29.75]))) / 1e3,
                 "25 %", "recalled"),
    "V2": Anchor("sifted rate at 1200 km", 1.0, "kbit/s", lambda: sifted(counts(efficiency([40.34]))) / 1e3,
                 "30 %", "recalled"),
    "V3": Anchor("detections in the pass", 3.55, "million", lambda: 2 * sifted(counts(pass_efficiency())) / 1e6,
                 "15 %", "recalled"),
    "V4": Anchor("sifted bits of the pass", 1.671, "million", lambda: sifted(counts(pass_efficiency())) / 1e6,
                 "20 %", "recalled"),
    "V5": Anchor("mean QBER, noise 1e-6 a pulse and 1 % assumed", 1.1, "%", pass_qber, "within 0.5", "recalled"),
    "V6": Anchor("key of the pass, both bases", 300.939, "kbit", lambda: pass_key(1.16) / 1e3, "factor 1.6",
                 "recalled"),
    "V8": Anchor("dual downlink, asymptotic (counts recalled)", 0.43, "bit/s",
                 lambda: float(asymptotic_fraction(140 / 3100, error_correction_efficiency=1.19)), "5 %"),
    "V9": Anchor("dual downlink, finite, sampling of Lim et al., ε = 1e-10 of each part (assumed)", 372.0, "bit",
                 lambda: yin("lim2014", 4e-10), "25 %"),
    "V9, all": Anchor("the same, ε = 1e-10 of the whole", 372.0, "bit", lambda: yin("lim2014", 1e-10), "25 %"),
    "V9, rigorous": Anchor("the same, sampling of Fung et al.", 372.0, "bit", lambda: yin("fung2010", 1e-10),
                           "25 %", why="the hypergeometric bound costs small blocks more than the closed form"),
    "V11": Anchor("key over sifted bits, ideal receiver", 12.4, "%",
                  lambda: 100 * pass_key(1.16) / sifted(counts(pass_efficiency(), NOISE, 0.01)), "factor 2"),
    "V13": Anchor("twin field at 56 dB (the anchor itself)", 110.0, "bit/s", lambda: twin_field_rate_bit_s(56.0),
                  "factor 3", "own"),
    "V14": Anchor("generic diodes at 2 dB", 13_720.0, "kbit/s", lambda: apd_kbit(2.0), "factor 3"),
    "V15": Anchor("generic diodes at 10 dB, 3 % error", 352.0, "kbit/s", lambda: apd_kbit(10.0, 0.03), "factor 2.5"),
    "V16": Anchor("generic diodes at 14.5 dB", 304.0, "kbit/s", lambda: apd_kbit(14.5), "factor 2"),
    "V17": Anchor("300,000 keys in ten days over 75 km, of 256 bit (assumed)", 300_000 * 256 / 864_000, "bit/s",
                  lambda: 1e3 * apd_kbit(16.5), "above", why="availability and device are not stated"),
}  # fmt: skip
GAPS = {
    "V7": "a fit to the digitised losses; the link budget's own Micius rows stand above",
    "V10": "inputs of the upgraded link are not published",
    "V12": "aperture and loss are not published",
    "V18": "an emulated link",
}


def anchor_verdict(name: str) -> tuple[float, Verdict]:
    """The model's value, and what the published figure says about it."""
    anchor = ANCHORS[name]
    value = float(anchor.model())
    return value, judge(anchor.published, value, anchor.tolerance, unit=anchor.unit, grade=anchor.grade, why=anchor.why)
