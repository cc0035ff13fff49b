"""Published figures of missions and devices, each with the model's own value; reported, never fitted to.

A function per id of ``validation_set.csv`` returns the model's value, and the factor within which it counts as
reproduced. Ids without a function are gaps: their inputs are not published.
"""

from __future__ import annotations

import numpy as np

from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.qkd.counts import slot_counts
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.entangled import asymptotic_fraction, entangled_key
from eqci_space.qkd.security import SecurityParameters
from eqci_space.qkd.twin_field import twin_field_rate_bit_s
from eqci_space.scenario import QkdDevice

__all__ = ["ANCHORS", "GAPS"]

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


# id: what, published, unit, model, and the factor within which it counts as reproduced.
ANCHORS = {
    "V1": ("sifted rate at 645 km", 12.0, "kbit/s", lambda: sifted(counts(efficiency([29.75]))) / 1e3, 1.25),
    "V2": ("sifted rate at 1200 km", 1.0, "kbit/s", lambda: sifted(counts(efficiency([40.34]))) / 1e3, 1.3),
    "V3": ("detections in the pass", 3.55, "million", lambda: 2 * sifted(counts(pass_efficiency())) / 1e6, 1.15),
    "V4": ("sifted bits of the pass", 1.671, "million", lambda: sifted(counts(pass_efficiency())) / 1e6, 1.2),
    "V5": ("mean QBER, noise 1e-6 a pulse and 1 % assumed", 1.1, "%", pass_qber, 1.5),
    "V6": ("key of the pass, both bases", 300.939, "kbit", lambda: pass_key(1.16) / 1e3, 1.6),
    "V8": ("dual downlink, asymptotic", 0.43, "bit/s",
           lambda: float(asymptotic_fraction(140 / 3100, error_correction_efficiency=1.19)), 1.05),
    "V9": ("dual downlink, finite, sampling of Lim et al., ε = 1e-10 of each part (assumed)", 372.0, "bit",
           lambda: yin("lim2014", 4e-10), 1.25),
    "V9, all": ("the same, ε = 1e-10 of the whole", 372.0, "bit", lambda: yin("lim2014", 1e-10), 1.25),
    "V9, rigorous": ("the same, sampling of Fung et al.", 372.0, "bit", lambda: yin("fung2010", 1e-10), 1.25),
    "V11": ("key over sifted bits, ideal receiver", 12.4, "%",
            lambda: 100 * pass_key(1.16) / sifted(counts(pass_efficiency(), NOISE, 0.01)), 2.0),
    "V13": ("twin field at 56 dB (the anchor itself)", 110.0, "bit/s", lambda: twin_field_rate_bit_s(56.0), 3.0),
    "V14": ("generic diodes at 2 dB", 13_720.0, "kbit/s", lambda: apd_kbit(2.0), 3.0),
    "V15": ("generic diodes at 10 dB, 3 % error", 352.0, "kbit/s", lambda: apd_kbit(10.0, 0.03), 2.5),
    "V16": ("generic diodes at 14.5 dB", 304.0, "kbit/s", lambda: apd_kbit(14.5), 2.0),
}  # fmt: skip
GAPS = {
    "V7": "a fit to the digitised losses; the link budget's own Micius rows stand above",
    "V10": "inputs of the upgraded link are not published",
    "V12": "aperture and loss are not published",
    "V17": "a lower bound over ten days of unknown availability",
    "V18": "an emulated link",
}


def verdict(name: str) -> tuple[float, str]:
    """The model's value, and whether it lies within the factor."""
    _, published, _, model, factor = ANCHORS[name]
    value = float(model())
    inside = published / factor <= value <= published * factor
    return value, "reproduced" if inside else f"missed (factor {factor:g})"
