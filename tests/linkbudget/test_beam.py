"""Diffraction against SatQuMA v2, the reference cases and closed forms."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from eqci_space.linkbudget.beam import (
    diffraction_loss_db,
    encircled_power,
    equivalent_divergence_half_angle_rad,
    intensity_per_sr,
)

CASES = Path(__file__).parents[1] / "cases"
TELESCOPE = {
    "wavelength_m": 850e-9,
    "tx_aperture_diameter_m": 0.3,
    "tx_obscuration_ratio": 0.2,
    "tx_beam_radius_m": 0.13,
    "rx_aperture_diameter_m": 1.2,
    "rx_obscuration_ratio": 0.35,
}
OPEN = TELESCOPE | {"rx_obscuration_ratio": 0.0}


def _read(name):
    with (CASES / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _rows(*quantities):
    rows = [r for r in _read("linkbudget.csv") if r["quantity"] in quantities]
    assert {r["quantity"] for r in rows} == set(quantities)
    return [pytest.param(json.loads(r["inputs"]), r, id=r["id"]) for r in rows]


def _pupil(inputs):
    return {
        "wavelength_m": inputs["wavelength_m"],
        "aperture_diameter_m": inputs["tx_aperture_diameter_m"],
        "obscuration_ratio": inputs["tx_obscuration_ratio"],
        "beam_radius_m": inputs["tx_beam_radius_m"],
    }


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(r, id=f"aT{r['aT_m']}-aR{r['aR_m']}-{r['wl_nm']}nm-{r['range_km']}km")
        for r in _read("satquma_diffraction.csv")
    ],
)
def test_diffraction_efficiency_of_satquma(row):
    """SatQuMA v2.0.0-beta (Sidhu et al. 2022), Fraunhofer diffraction referred to the exit power."""
    loss = diffraction_loss_db(
        np.array([float(row["range_km"]) * 1e3]),
        wavelength_m=float(row["wl_nm"]) * 1e-9,
        tx_aperture_diameter_m=2 * float(row["aT_m"]),
        tx_obscuration_ratio=0.0,
        tx_beam_radius_m=float(row["w0_m"]),
        rx_aperture_diameter_m=2 * float(row["aR_m"]),
    )
    assert_allclose(10 ** (-loss[0] / 10), float(row["eta_diff"]), rtol=1e-6)


@pytest.mark.parametrize(("inputs", "row"), _rows("exit_referred_diffraction_loss", "laser_referred_diffraction_loss"))
def test_diffraction_loss_of_reference_cases(inputs, row):
    range_m = np.array([inputs.pop("range_m")])
    loss = diffraction_loss_db(range_m, **inputs, reference=row["quantity"].split("_")[0])
    assert_allclose(loss[0], float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("receiver_obscuration_loss"))
def test_receiver_obscuration_loss_of_reference_cases(inputs, row):
    range_m = np.array([inputs.pop("range_m")])
    clear = diffraction_loss_db(range_m, **{**inputs, "rx_obscuration_ratio": 0.0})
    loss = diffraction_loss_db(range_m, **inputs) - clear
    assert_allclose(loss[0], float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("equivalent_divergence_half_angle"))
def test_equivalent_divergence_of_reference_cases(inputs, row):
    angle = equivalent_divergence_half_angle_rad(**_pupil(inputs))
    assert_allclose(angle, float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("on_axis_gain_efficiency"))
def test_on_axis_gain_efficiency_of_klein_and_degnan(inputs, row):
    """Gain over that of a uniformly lit disc, (πD/λ)²; Klein and Degnan 1974 (Appl. Opt. 13, 2134)."""
    diameter, wavelength = 0.1, 1e-6
    on_axis = intensity_per_sr(
        np.array(0.0),
        wavelength_m=wavelength,
        aperture_diameter_m=diameter,
        obscuration_ratio=inputs["obscuration_ratio"],
        beam_radius_m=diameter / 2 / inputs["truncation_ratio"],
    )
    gain = 4 * np.pi * on_axis / (np.pi * diameter / wavelength) ** 2
    assert_allclose(gain, float(row["expected"]), rtol=float(row["rel_tol"]))


@pytest.mark.parametrize(("inputs", "row"), _rows("aperture_power_fraction"))
def test_exit_and_laser_reference_differ_by_the_truncated_power(inputs, row):
    """The difference is exactly -10 lg(T) of the power that passes the transmit aperture."""
    link = TELESCOPE | {
        "tx_obscuration_ratio": inputs["obscuration_ratio"],
        "tx_beam_radius_m": TELESCOPE["tx_aperture_diameter_m"] / 2 / inputs["truncation_ratio"],
    }
    range_m = np.array([5e5, 2e6])
    difference = diffraction_loss_db(range_m, **link, reference="laser") - diffraction_loss_db(range_m, **link)
    assert_allclose(difference, -10 * np.log10(float(row["expected"])), rtol=2 * float(row["rel_tol"]), atol=1e-8)


def test_weakly_truncated_beam_is_a_gaussian_bucket():
    """For an aperture of five beam radii the far field is Gaussian: η = 1 - exp(-2a²/w²), w = λL/(π w0)."""
    wavelength, waist, rx_radius = 1.55e-6, 0.02, 0.4
    range_m = np.array([3e5, 6e5, 1.5e6])
    loss = diffraction_loss_db(
        range_m,
        wavelength_m=wavelength,
        tx_aperture_diameter_m=10 * waist,
        tx_obscuration_ratio=0.0,
        tx_beam_radius_m=waist,
        rx_aperture_diameter_m=2 * rx_radius,
        reference="laser",
    )
    width = wavelength * range_m / (np.pi * waist)
    assert_allclose(10 ** (-loss / 10), -np.expm1(-2 * (rx_radius / width) ** 2), rtol=1e-9)


def test_weakly_truncated_beam_has_the_gaussian_divergence():
    """1/e² half angle λ/(π w0)."""
    angle = equivalent_divergence_half_angle_rad(
        wavelength_m=850e-9, aperture_diameter_m=0.5, obscuration_ratio=0.0, beam_radius_m=0.05
    )
    assert_allclose(angle, 850e-9 / (np.pi * 0.05), rtol=1e-9)


def test_uniform_aperture_has_the_airy_pattern():
    """Born and Wolf, Principles of Optics 8.5.2: first dark ring at 1.22 λ/D, which holds 83.8 % of the power."""
    wavelength, diameter = 850e-9, 0.2
    pupil = {
        "wavelength_m": wavelength,
        "aperture_diameter_m": diameter,
        "obscuration_ratio": 0.0,
        "beam_radius_m": 1e3 * diameter,
    }
    dark_ring = np.array([1.219670 * wavelength / diameter])
    leaving = -np.expm1(-2 * (diameter / 2 / pupil["beam_radius_m"]) ** 2)
    assert intensity_per_sr(dark_ring, **pupil)[0] < 1e-10 * intensity_per_sr(np.array([0.0]), **pupil)[0]
    assert_allclose(encircled_power(dark_ring, **pupil)[0] / leaving, 0.838, atol=5e-4)


def test_all_power_of_a_weakly_truncated_beam_is_encircled():
    pupil = {
        "wavelength_m": 850e-9,
        "aperture_diameter_m": 0.5,
        "obscuration_ratio": 0.0,
        "beam_radius_m": 0.05,
    }
    assert_allclose(encircled_power(np.array([6e-5]), **pupil), 1.0, rtol=1e-10)


@pytest.mark.parametrize("rx_aperture_diameter_m", [0.4, 1.2, 5.0])
def test_many_ranges_agree_with_one_range_at_a_time(rx_aperture_diameter_m):
    """Many ranges go through a Chebyshev interpolant, one range through the quadrature itself."""
    link = TELESCOPE | {"rx_aperture_diameter_m": rx_aperture_diameter_m}
    range_m = np.geomspace(3e5, 3e6, 150)
    together = diffraction_loss_db(range_m, **link)
    alone = np.array([diffraction_loss_db(np.array([r]), **link)[0] for r in range_m])
    assert_allclose(together, alone, rtol=1e-9)


def test_loss_keeps_the_shape_of_the_ranges():
    range_m = np.linspace(4e5, 2e6, 240)
    square = diffraction_loss_db(range_m.reshape(2, 3, 40), **TELESCOPE)
    assert square.shape == (2, 3, 40)
    assert_allclose(square.ravel(), diffraction_loss_db(range_m, **TELESCOPE), rtol=1e-12)
    assert diffraction_loss_db(np.array([]), **TELESCOPE).shape == (0,)


def test_larger_unobscured_receiver_catches_more():
    caught = [
        10 ** (-diffraction_loss_db(np.array([8e5]), **(OPEN | {"rx_aperture_diameter_m": d}))[0] / 10)
        for d in np.linspace(0.1, 12.0, 40)
    ]
    assert (np.diff(caught) > 0).all()
    assert 0 < caught[0] < caught[-1] < 1


@pytest.mark.parametrize("range_m", [[-5e5], [0.0], [5e5, -1.0], [np.nan]])
def test_range_that_is_not_positive_is_refused(range_m):
    with pytest.raises(ValueError, match="range_m"):
        diffraction_loss_db(np.array(range_m), **TELESCOPE)


@pytest.mark.parametrize("wavelength_m", [850.0, 1550.0, -850e-9])
def test_wavelength_in_nanometres_is_refused(wavelength_m):
    with pytest.raises(ValueError, match="wavelength_m"):
        diffraction_loss_db(np.array([5e5]), **(TELESCOPE | {"wavelength_m": wavelength_m}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"tx_aperture_diameter_m": -0.3},
        {"tx_beam_radius_m": 0.0},
        {"tx_obscuration_ratio": 1.0},
        {"tx_obscuration_ratio": -0.1},
    ],
)
def test_impossible_transmit_pupil_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        diffraction_loss_db(np.array([5e5]), **(TELESCOPE | wrong))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rx_aperture_diameter_m": -0.8},
        {"rx_aperture_diameter_m": 0.0},
        {"rx_obscuration_ratio": 1.2},
        {"rx_obscuration_ratio": -0.3},
    ],
)
def test_impossible_receiving_pupil_is_refused(wrong):
    with pytest.raises(ValueError, match="rx_"):
        diffraction_loss_db(np.array([5e5]), **(TELESCOPE | wrong))
