"""Coupling into fibres and through field stops against brute-force autocorrelations and Noll's residuals by algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import dblquad, quad
from scipy.special import i0

from eqci_space.linkbudget.adaptive_optics import adaptive_optics_residual_rad2, noll_residual_rad2
from eqci_space.linkbudget.coupling import (
    field_stop_transmittance,
    optimum_mode_parameter,
    smf_coupling_adaptive,
    smf_coupling_gaussian_coherence,
    smf_coupling_kolmogorov,
    smf_coupling_optimum,
    smf_coupling_plane_wave,
)


def _brute_force_coupling(ratios, obscuration, mode_parameter, tip_tilt, points=1024):
    """Autocorrelation of pupil times mode by FFT on a square grid, the pupil half a grid wide."""
    axis = (np.arange(points) - points / 2 + 0.5) * 4 / points  # pupil radius 1 in a field of ±2
    r = np.hypot(*np.meshgrid(axis, axis))
    pupil = (r <= 1) & (r >= obscuration)
    mode = np.where(pupil, np.exp(-((mode_parameter * r) ** 2)), 0.0)
    correlation = np.fft.irfft2(np.abs(np.fft.rfft2(mode)) ** 2)
    lag = np.minimum(np.arange(points), points - np.arange(points)) * 4 / points
    separation = np.hypot(*np.meshgrid(lag, lag)) / 2  # in diameters
    structure = 6.88 * separation ** (5 / 3)
    if tip_tilt == "removed":
        structure *= np.maximum(0.0, 1 - np.cbrt(separation))
    cell = (4 / points) ** 2
    norm = pupil.sum() * cell * np.pi / (2 * mode_parameter**2)
    return [np.sum(correlation * np.exp(-structure * ratio ** (5 / 3) / 2)) * cell**2 / norm for ratio in ratios]


# ---------------------------------------------------------------- the plane wave


def test_largest_coupling_of_a_clear_pupil_is_eighty_one_percent():
    """Shaklan and Roddier 1988, Ruilier and Cassaing 2001: 0.8145 at a mode parameter of 1.1209."""
    assert_allclose(smf_coupling_optimum(), 0.8145, atol=5e-5)
    assert_allclose(optimum_mode_parameter(), 1.1209, atol=5e-5)


@pytest.mark.parametrize(("obscuration", "published"), [(0.2, 0.738), (0.3, 0.656), (0.4, 0.559)])
def test_largest_coupling_of_obscured_pupils(obscuration, published):
    """A dense scan of the overlap integral by quadrature, referred to the light in the annulus."""
    assert_allclose(smf_coupling_optimum(obscuration), published, atol=6e-4)
    best = 0.0
    for a in np.linspace(0.8, 1.6, 161):
        overlap, _ = quad(lambda r, a=a: 2 * np.pi * r * np.exp(-((a * r) ** 2)), obscuration, 1)
        best = max(best, overlap**2 / (np.pi * (1 - obscuration**2) * np.pi / (2 * a**2)))
    assert_allclose(smf_coupling_optimum(obscuration), best, rtol=2e-5)  # of the scan's step


def test_plane_wave_coupling_is_the_overlap_of_pupil_and_mode():
    a, g = 0.9, 0.25
    overlap, _ = quad(lambda r: 2 * np.pi * r * np.exp(-((a * r) ** 2)), g, 1)
    assert_allclose(smf_coupling_plane_wave(a, g), overlap**2 / (np.pi * (1 - g**2) * np.pi / (2 * a**2)), rtol=1e-12)


# ---------------------------------------------------------------- turbulence


@pytest.mark.parametrize("obscuration", [0.0, 0.3])
def test_still_air_couples_like_a_plane_wave(obscuration):
    """Below D/r0 = 1e-4 the loss is below 1e-6; 0.8145 without, 0.656 with an obscuration of 0.3."""
    for tip_tilt in ("uncorrected", "removed"):
        value = smf_coupling_kolmogorov(0.0, obscuration_ratio=obscuration, tip_tilt=tip_tilt)
        assert_allclose(value, smf_coupling_optimum(obscuration), rtol=1e-6)
    assert_allclose(smf_coupling_kolmogorov(0.0), 0.8145, atol=5e-5)


@pytest.mark.parametrize("obscuration", [0.0, 0.3])
@pytest.mark.parametrize("tip_tilt", ["uncorrected", "removed"])
def test_coupling_through_turbulence_by_brute_force(obscuration, tip_tilt):
    """1024 points over two pupil diameters: the stepped edge of the pupil leaves 0.4 %."""
    ratios = [0.5, 1.0, 2.0, 4.0, 8.0]
    mode = optimum_mode_parameter(obscuration)
    expected = _brute_force_coupling(ratios, obscuration, mode, tip_tilt)
    value = smf_coupling_kolmogorov(np.array(ratios), obscuration_ratio=obscuration, tip_tilt=tip_tilt)
    assert_allclose(value, expected, rtol=4e-3)


def test_coupling_through_turbulence_of_known_ratios():
    """D/r0 = 1, 2, 4, 8 by an independent FFT table: 0.409, 0.172, 0.052, 0.0139; tilt removed 0.691, 0.490, 0.189.

    Half a unit of the last printed digit.
    """
    ratios = np.array([1.0, 2.0, 4.0, 8.0])
    assert_allclose(smf_coupling_kolmogorov(ratios), [0.409, 0.172, 0.052, 0.0139], atol=5.1e-4)
    assert_allclose(smf_coupling_kolmogorov(8.0), 0.0139, atol=5e-5)
    removed = smf_coupling_kolmogorov(ratios, tip_tilt="removed")
    assert_allclose(removed, [0.691, 0.490, 0.189, 0.034], atol=5.1e-4)


def test_strong_turbulence_couples_one_speckle():
    """For D >> r0 only separations of r0 count: η tends to A(0) ∫ e^(-3.44 (ρ/r0)^(5/3)) 2πρ dρ over the norm.

    A(0) is the mode's power in the pupil, (1 - e^(-2a²)) π/(2a²), so that η -> 4 (1 - e^(-2a²)) 2 J (r0/D)² with
    J = (3/5) Γ(6/5) 3.44^(-6/5) = 0.12509; at D/r0 = 300 the finite pupil leaves 1 %.
    """
    a = optimum_mode_parameter()
    speckle, _ = quad(lambda x: x * np.exp(-3.44 * x ** (5 / 3)), 0, 12)
    assert_allclose(speckle, 0.12509, rtol=1e-4)
    expected = -np.expm1(-2 * a**2) * 2 * speckle * 4 / 300**2
    assert_allclose(smf_coupling_kolmogorov(300.0), expected, rtol=0.01)


def test_gaussian_coherence_of_dikmelik_and_davidson():
    """Their double integral (Appl. Opt. 44, 4946) by adaptive quadrature; no turbulence gives 0.8145."""
    for q in (0.3, 2.0, 9.0):
        integral, _ = dblquad(
            lambda y, x, q=q: np.exp(-(1.12**2 + q) * (x**2 + y**2)) * i0(2 * q * x * y) * x * y, 0, 1, 0, 1
        )
        assert_allclose(smf_coupling_gaussian_coherence(q), 8 * 1.12**2 * integral, rtol=1e-7)
    assert_allclose(smf_coupling_gaussian_coherence(0.0), 0.8145, atol=5e-5)


def test_gaussian_coherence_stands_for_kolmogorov_within_a_tenth():
    """With ρ_c = r0/2.1, q = (D/2ρ_c)² = (1.05 D/r0)²: 0.420, 0.166, 0.048, 0.0127 beside 0.409 to 0.0139."""
    ratios = np.array([1.0, 2.0, 4.0, 8.0])
    gaussian = smf_coupling_gaussian_coherence((1.05 * ratios) ** 2)
    assert_allclose(gaussian, [0.420, 0.166, 0.048, 0.0127], atol=5e-4)
    assert (np.abs(gaussian / smf_coupling_kolmogorov(ratios) - 1) < 0.1).all()


# ---------------------------------------------------------------- Zernike residuals and adaptive optics


def _kolmogorov_pupil(points):
    """Points of the unit pupil and their phase covariance for D = r0, the phase of the first point taken as zero."""
    axis = (np.arange(points) - (points - 1) / 2) * 2 / points
    x, y = (c.ravel() for c in np.meshgrid(axis, axis))
    x, y = x[np.hypot(x, y) <= 1], y[np.hypot(x, y) <= 1]
    structure = 6.88 * (np.hypot(x[:, None] - x, y[:, None] - y) / 2) ** (5 / 3)
    return x, y, (structure[0][:, None] + structure[0] - structure) / 2


def _residual(covariance, modes):
    """Mean variance over the pupil after the least-squares fit of some modes is taken away."""
    basis, _ = np.linalg.qr(np.stack(modes, axis=1))
    return (np.trace(covariance) - np.trace(basis.T @ covariance @ basis)) / len(covariance)


def test_noll_residuals_by_projection_of_the_kolmogorov_covariance():
    """Noll 1976, Table IV, D = r0: 1.030, 0.582, 0.134, 0.111, 0.0880, 0.0648, 0.0587, 0.0525, 0.0463, 0.0401.

    Least squares on 1200 points of the pupil: 1.5 % by the stepped edge.
    """
    x, y, covariance = _kolmogorov_pupil(40)
    r2 = x**2 + y**2
    zernikes = [
        np.ones_like(x), x, y, 2 * r2 - 1, 2 * x * y, x**2 - y**2, (3 * r2 - 2) * y, (3 * r2 - 2) * x,
        3 * x**2 * y - y**3, x**3 - 3 * x * y**2,
    ]  # fmt: skip
    expected = [_residual(covariance, zernikes[: j + 1]) for j in range(10)]
    assert_allclose([noll_residual_rad2(1.0, j) for j in range(1, 11)], expected, rtol=0.015)


def test_noll_residuals_scale_and_continue():
    """(D/r0)^(5/3), and 0.2944 J^(-√3/2) beyond the table: 0.0205 for 22 modes, which joins it to 2 %."""
    assert_allclose(noll_residual_rad2(8.0, 3), 0.134 * 32, rtol=1e-12)
    assert_allclose(noll_residual_rad2(1.0, 21), 0.0208, rtol=1e-12)
    assert_allclose(noll_residual_rad2(1.0, 100), 0.2944 * 100**-0.8660254, rtol=1e-7)
    values = [float(noll_residual_rad2(1.0, j)) for j in range(1, 60)]
    assert (np.diff(values) < 0).all()


def _coupling_of_covariance(x, y, covariance):
    """Mean coupling of Gaussian phases: Σ m_i m_j exp(-D_ij/2) over the norm, no random numbers."""
    a = optimum_mode_parameter()
    mode = np.exp(-(a**2) * (x**2 + y**2))
    variance = np.diag(covariance)
    coherence = np.exp(-(variance[:, None] + variance) / 2 + covariance)
    return mode @ coherence @ mode / (len(x) * np.sum(mode**2) / -np.expm1(-2 * a**2))


def _without(covariance, modes):
    basis, _ = np.linalg.qr(np.stack(modes, axis=1))
    keep = np.eye(len(basis)) - basis @ basis.T
    return keep @ covariance @ keep


def test_short_exposure_rule_of_fried_is_on_the_safe_side_of_fitted_tilt():
    """Kolmogorov phases whose least-squares tilt is removed couple 0.720, 0.558, 0.268, 0.0501 at D/r0 = 1, 2, 4, 8.

    The factor 1 - (ρ/D)^(1/3) leaves 0.17 instead of 0.134 rad² at D = r0, so the rule is 4, 14, 42 and 48 % lower
    (0.2, 0.6, 1.5 and 1.7 dB). The uncorrected coupling of the same 1200 points meets the rule to 0.6 %.
    """
    x, y, covariance = _kolmogorov_pupil(40)
    ratios = np.array([1.0, 2.0, 4.0, 8.0])
    flat = _without(covariance, [np.ones_like(x), x, y])
    still = [_coupling_of_covariance(x, y, covariance * r ** (5 / 3)) for r in ratios]
    steered = [_coupling_of_covariance(x, y, flat * r ** (5 / 3)) for r in ratios]
    assert_allclose(smf_coupling_kolmogorov(ratios), still, rtol=6e-3)
    lead = np.array(steered) / smf_coupling_kolmogorov(ratios, tip_tilt="removed")
    assert_allclose(lead, [1.043, 1.139, 1.418, 1.480], atol=0.01)


def test_core_and_halo_stand_for_the_exact_coupling_behind_adaptive_optics():
    """Phases with 3, 6 or 10 fitted modes removed, residuals up to 2.1 rad²: within 12 %."""
    x, y, covariance = _kolmogorov_pupil(32)
    r2 = x**2 + y**2
    zernikes = [
        np.ones_like(x), x, y, 2 * r2 - 1, 2 * x * y, x**2 - y**2, (3 * r2 - 2) * y, (3 * r2 - 2) * x,
        3 * x**2 * y - y**3, x**3 - 3 * x * y**2,
    ]  # fmt: skip
    for modes, ratios in ((3, (1.0, 2.0, 4.0)), (6, (2.0, 4.0, 8.0)), (10, (2.0, 4.0, 8.0))):
        left = _without(covariance, zernikes[:modes])
        for ratio in ratios:
            value = smf_coupling_adaptive(noll_residual_rad2(ratio, modes), ratio)
            exact = _coupling_of_covariance(x, y, left * ratio ** (5 / 3))
            assert_allclose(value, exact, rtol=0.12, err_msg=f"{modes} modes, D/r0 = {ratio}")


def test_residual_of_adaptive_optics_is_the_sum_of_its_causes():
    """Fitting 0.0208 · 4^(5/3), servo (30/300)^(5/3) = 0.02154, offset (5/10)^(5/3) = 0.31498, static 0.05."""
    total = adaptive_optics_residual_rad2(
        aperture_to_fried_ratio=4.0, modes=21, greenwood_frequency_hz=30.0, bandwidth_hz=300.0, offset_rad=-5e-6,
        isoplanatic_angle_rad=1e-5, static_rad2=0.05,
    )  # fmt: skip
    assert_allclose(total, 0.0208 * 4 ** (5 / 3) + 0.021544 + 0.314980 + 0.05, rtol=1e-5)
    assert_allclose(adaptive_optics_residual_rad2(aperture_to_fried_ratio=4.0, modes=21), 0.0208 * 4 ** (5 / 3))


def test_adaptive_coupling_is_core_and_halo():
    """80 cm at 1550 nm and 30 deg of HV 5/7 (D/r0 = 6.289): Strehl-like 0.080 after tilt, 0.649 after 21 modes."""
    ratio = 0.8 / (0.19283 * 0.5**0.6)
    for modes, strehl in ((3, 0.080), (21, 0.649)):
        value = smf_coupling_adaptive(noll_residual_rad2(ratio, modes), ratio)
        assert_allclose(value, 0.8145 * strehl, rtol=4e-3)
    assert_allclose(smf_coupling_adaptive(0.0, ratio, obscuration_ratio=0.3), 0.656, atol=6e-4)


# ---------------------------------------------------------------- field stop


def test_stop_as_wide_as_the_spot_passes_half():
    """A circle of the full width at half maximum holds half of a Gaussian; here seeing alone, 0.98 λ/r0."""
    common = {"wavelength_m": 850e-9, "fried_parameter_m": 0.05, "aperture_diameter_m": 1e6}
    seeing = 0.98 * 850e-9 / 0.05
    assert_allclose(field_stop_transmittance(field_of_view_rad=seeing, **common), 0.5, rtol=1e-9)
    assert_allclose(field_stop_transmittance(field_of_view_rad=2 * seeing, **common), 1 - 1 / 16, rtol=1e-9)


def test_field_stop_is_the_integral_of_the_gaussian_spot():
    """Monte Carlo of the angles: seeing, diffraction and tracking are independent Gaussians (1e6 draws: 1e-3)."""
    rng = np.random.default_rng(11)
    sigma = np.array([0.98 * 1.55e-6 / 0.2, 1.03 * 1.55e-6 / 0.4]) / np.sqrt(8 * np.log(2))
    angle = sum(s * rng.standard_normal((2, 1_000_000)) for s in (*sigma, 3e-6))
    inside = np.mean(np.hypot(*angle) < 10e-6)  # a full angle of 20 µrad
    value = field_stop_transmittance(
        field_of_view_rad=20e-6, wavelength_m=1.55e-6, fried_parameter_m=0.2, aperture_diameter_m=0.4,
        tracking_jitter_rad=3e-6,
    )  # fmt: skip
    assert_allclose(value, inside, atol=1.5e-3)


# ---------------------------------------------------------------- properties and refusals


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=6), st.sampled_from([0.0, 0.2, 0.4]))
def test_coupling_lies_between_none_and_the_plane_wave(ratios, obscuration):
    for tip_tilt in ("uncorrected", "removed"):
        value = smf_coupling_kolmogorov(np.array(ratios), obscuration_ratio=obscuration, tip_tilt=tip_tilt)
        assert value.shape == (len(ratios),)
        assert (value > 0).all()
        assert (value <= smf_coupling_optimum(obscuration) * (1 + 1e-6)).all()


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-7, 1e-2), st.lists(st.floats(0.01, 10.0), min_size=1, max_size=4), st.floats(0.0, 1e-4))
def test_field_stop_is_a_transmittance_of_the_shape_of_its_input(field, fried, jitter):
    value = field_stop_transmittance(
        field_of_view_rad=field, wavelength_m=1.55e-6, fried_parameter_m=np.array(fried), aperture_diameter_m=0.4,
        tracking_jitter_rad=jitter,
    )  # fmt: skip
    assert value.shape == (len(fried),)
    assert ((value >= 0) & (value <= 1)).all()


STOP = {"field_of_view_rad": 2e-5, "wavelength_m": 1.55e-6, "fried_parameter_m": 0.1, "aperture_diameter_m": 0.4}
OPTICS = {"aperture_to_fried_ratio": 4.0, "modes": 21, "greenwood_frequency_hz": 30.0, "bandwidth_hz": 300.0}


@pytest.mark.parametrize(
    ("call", "named", "value"),
    [
        (lambda: smf_coupling_plane_wave(0.0), "mode_parameter", "0.0"),
        (lambda: smf_coupling_plane_wave(1.1, 1.0), "obscuration_ratio", "1.0"),
        (lambda: smf_coupling_optimum(-0.1), "obscuration_ratio", "-0.1"),
        (lambda: smf_coupling_kolmogorov(-1.0), "aperture_to_fried_ratio", "-1.0"),
        (lambda: smf_coupling_kolmogorov(2000.0), "aperture_to_fried_ratio", "2000.0"),
        (lambda: smf_coupling_kolmogorov(1.0, tip_tilt="ideal"), "tip_tilt", "ideal"),
        (lambda: smf_coupling_kolmogorov(1.0, mode_parameter=-1.0), "mode_parameter", "-1.0"),
        (lambda: smf_coupling_gaussian_coherence(-1.0), "aperture_to_coherence_area_ratio", "-1.0"),
        (lambda: noll_residual_rad2(1.0, 0), "modes", "0"),
        (lambda: noll_residual_rad2(-1.0, 3), "aperture_to_fried_ratio", "-1.0"),
        (lambda: adaptive_optics_residual_rad2(**OPTICS | {"bandwidth_hz": -300.0}), "bandwidth_hz", "-300.0"),
        (lambda: adaptive_optics_residual_rad2(**OPTICS | {"bandwidth_hz": 0.0}), "bandwidth_hz", "0.0"),
        (lambda: adaptive_optics_residual_rad2(**OPTICS, static_rad2=-1.0), "static_rad2", "-1.0"),
        (lambda: smf_coupling_adaptive(-1.0, 2.0), "residual_rad2", "-1.0"),
        (lambda: field_stop_transmittance(**STOP | {"field_of_view_rad": -1e-5}), "field_of_view_rad", "-1e-05"),
        (lambda: field_stop_transmittance(**STOP | {"wavelength_m": 1550.0}), "wavelength_m", "1550.0"),
        (lambda: field_stop_transmittance(**STOP | {"fried_parameter_m": -0.1}), "fried_parameter_m", "-0.1"),
        (lambda: field_stop_transmittance(**STOP | {"aperture_diameter_m": -0.4}), "aperture_diameter_m", "-0.4"),
        (lambda: field_stop_transmittance(**STOP, tracking_jitter_rad=-1e-6), "tracking_jitter_rad", "-1e-06"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name_value_and_range(call, named, value):
    with pytest.raises(ValueError, match="expected") as refusal:
        call()
    assert named in str(refusal.value)
    assert value in str(refusal.value)
