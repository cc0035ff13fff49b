"""The optional terms of the budget, fades, and the lookup form."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import exponnorm, norm

from eqci_space.errors import ModelValidityWarning, ScenarioError, TableError
from eqci_space.linkbudget.budget import LOSS_TERMS, budget_terms, link_budget, waterfall_table
from eqci_space.linkbudget.closed_forms import gaussian_bucket_loss_db
from eqci_space.linkbudget.coupling import smf_coupling_kolmogorov
from eqci_space.linkbudget.extinction import airmass_kasten_young, apparent_elevation_deg
from eqci_space.linkbudget.fades import joint_fade_loss_db, pointing_loss_survival
from eqci_space.linkbudget.link import Link, divergence_rad
from eqci_space.linkbudget.lookup import lookup_loss_db, make_lookup
from eqci_space.linkbudget.pointing import pointing_fade_loss_db, pointing_samples
from eqci_space.linkbudget.terms import BEFORE_THE_DETECTOR, total_loss_db
from eqci_space.linkbudget.turbulence import fried_parameter_m, hufnagel_valley_layers
from eqci_space.linkbudget.validity import VALID_WHERE
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import Atmosphere, PairSource, Protocol, Terminal, load_scenario

DB = 10 / np.log(10)


@pytest.fixture(scope="module")
def graz(study):
    return study.samples[study.samples["ogs"] == "GRAZ"].reset_index(drop=True)


def changed(plain, *, terminal=None, receiver=None, atmosphere=None):
    """The plain with other values of the terminal, of Graz' receiver, and of the air; validated anew."""
    satellite, station = plain.satellites[0], plain.stations["GRAZ"]
    beam = Terminal.model_validate(satellite.terminal.model_dump() | (terminal or {}))
    optics = type(station.receiver).model_validate(station.receiver.model_dump() | (receiver or {}))
    air = Atmosphere.model_validate(plain.atmosphere.model_dump() | (atmosphere or {}))
    return plain.model_copy(update={
        "satellites": (satellite.model_copy(update={"terminal": beam}),), "atmosphere": air,
        "stations": {"GRAZ": station.model_copy(update={"receiver": optics})},
    })  # fmt: skip


def airmass(samples):
    return airmass_kasten_young(apparent_elevation_deg(samples["elevation_deg"].to_numpy()))


def test_terms_that_are_not_asked_for_cost_nothing(graz, plain):
    budget = link_budget(graz, changed(plain))
    for column in ("wavefront_loss_db", "cirrus_loss_db", "gate_loss_db"):
        assert (budget[column] == 0).all()


def test_a_total_without_samples_is_that_of_the_budget(graz, plain):
    link = Link(plain.satellites[0].terminal, plain.stations["GRAZ"], plain.atmosphere)
    budget = link_budget(graz, plain)
    columns = {name: graz[name].to_numpy() for name in ("elevation_deg", "range_m", "angular_rate_rad_s")}
    assert_allclose(total_loss_db(link, **columns), budget["total_loss_db"], rtol=1e-12)
    arriving = budget["total_loss_db"] - budget["gate_loss_db"] - budget["detector_loss_db"]
    assert_allclose(total_loss_db(link, **columns, terms=BEFORE_THE_DETECTOR), arriving, rtol=1e-12)
    surface = total_loss_db(link, elevation_deg=np.array([[30.0], [60.0]]), range_m=np.array([6e5, 7e5, 8e5]))
    assert surface.shape == (2, 3)
    assert surface[1, 2] == total_loss_db(link, elevation_deg=60.0, range_m=8e5)


def test_every_term_names_its_model_and_source():
    table = budget_terms()
    assert list(table.index) == list(LOSS_TERMS)
    assert (table[["label", "model", "valid_where", "source"]].map(len) > 2).all(axis=None)
    assert set(VALID_WHERE) <= {*LOSS_TERMS, "turbulence_loss_db", "fade_loss_db"}
    upward = budget_terms(uplink=True)
    assert [c for c in upward.index if c not in table.index] == ["turbulence_loss_db"]
    assert upward.loc["turbulence_loss_db", "valid_where"] == "Rytov variance up to 1"


@pytest.mark.parametrize("statistic", ["mean", "quantile"])
def test_the_waterfall_table_adds_up_and_names_models(graz, plain, statistic):
    other = changed(plain)
    budget = link_budget(graz, other, statistic=statistic)
    window = budget["window_id"].iloc[0]
    table = waterfall_table(budget, other, window)
    top = budget.loc[budget.loc[budget["window_id"] == window, "elevation_deg"].idxmax()]
    losses = [*LOSS_TERMS, *(["fade_loss_db"] if statistic == "quantile" else []), "total_loss_db"]
    assert list(table.index) == losses
    assert table["loss_db"].to_dict() == pytest.approx({c: top[c] for c in losses}, rel=1e-12)
    assert table["sum_db"].iloc[-2] == pytest.approx(top["total_loss_db"], rel=1e-12)
    assert table["sum_db"].iloc[1] == pytest.approx(top["diffraction_loss_db"] + top["wavefront_loss_db"], rel=1e-12)
    assert table["valid"].all()
    assert (table["model"].iloc[:-1].map(len) > 2).all()
    assert (table["source"].iloc[:-1].map(len) > 2).all()
    with pytest.raises(TableError, match="waterfall_table: no window 'none'"):
        waterfall_table(budget, other, "none")


@pytest.mark.parametrize(
    ("change", "elevation_deg", "broken"),
    [
        ({}, 9.0, {"extinction_loss_db", "cirrus_loss_db"}),
        ({"receiver": {"coupling": "modelled"}}, 11.0, {"coupling_loss_db"}),
        ({"terminal": {"wavelength_m": 1.38e-6}}, 40.0, {"gas_loss_db"}),
        ({"terminal": {"aperture_diameter_m": 5.0, "beam_radius_m": 2.0}}, 40.0, {"diffraction_loss_db"}),
        ({"atmosphere": {"visibility_km": 1.0}}, 40.0, {"extinction_loss_db"}),
    ],
)
def test_each_term_says_where_it_holds(graz, plain, change, elevation_deg, broken):
    """Low elevation, strong turbulence, a water band, the near field and fog: one warning, and the term's own flag."""
    other = changed(plain, **change)
    with pytest.warns(ModelValidityWarning) as caught:
        budget = link_budget(graz.head(3).assign(elevation_deg=elevation_deg), other)
    assert len(caught) == 1
    assert not budget["valid"].any()
    table = waterfall_table(budget, other, budget["window_id"].iloc[0])
    assert set(table.index[~table["valid"]]) == broken | {"total_loss_db"}


def test_gas_cirrus_wavefront_and_gate_are_their_closed_forms(graz, plain):
    air = {"gas_zenith_loss_db": 0.36, "gas_airmass_exponent": 0.8, "cirrus_optical_depth": 0.1}
    other = changed(plain, terminal={"wavefront_error_waves": 0.05}, receiver={"timing_jitter_s": 0.25e-9},
                    atmosphere=air)  # fmt: skip
    budget = link_budget(graz, other)
    assert budget["gas_loss_db"].to_numpy() == pytest.approx(0.36 * airmass(graz) ** 0.8, rel=1e-12)
    assert budget["cirrus_loss_db"].to_numpy() == pytest.approx(DB * 0.1 * airmass(graz), rel=1e-12)
    assert budget["wavefront_loss_db"].iloc[0] == pytest.approx(DB * (2 * np.pi * 0.05) ** 2, rel=1e-12)
    # The gate of 0.5 ns is two standard deviations of 0.25 ns wide: 68.27 % of a normal distribution.
    assert budget["gate_loss_db"].iloc[0] == pytest.approx(-10 * np.log10(0.682689492), rel=1e-8)
    assert budget["total_loss_db"].to_numpy() == pytest.approx(budget[list(LOSS_TERMS)].sum(axis=1).to_numpy())


def test_optical_depth_stands_instead_of_visibility(graz, plain):
    hazy = changed(plain, atmosphere={"visibility_km": None, "optical_depth_500nm": 0.2, "angstrom_exponent": 1.3})
    loss = link_budget(graz, hazy)["extinction_loss_db"].to_numpy()
    molecules = 0.008569 * 1.55**-4 * (1 + 0.0113 * 1.55**-2 + 0.00013 * 1.55**-4)
    pressure = (1 - 2.25577e-5 * plain.stations["GRAZ"].height_msl_m) ** 5.2559
    zenith = DB * (molecules * pressure + 0.2 * (1550 / 500) ** -1.3)
    assert loss == pytest.approx(zenith * airmass(graz), rel=1e-9)


def test_two_descriptions_of_the_aerosol_are_refused(edited):
    path = edited(("aerosol_scale_height_m", "optical_depth_500nm = 0.1\naerosol_scale_height_m"))
    with pytest.raises(ScenarioError, match="optical_depth_500nm describe the same aerosol"):
        load_scenario(path)


def test_a_measured_divergence_gives_the_gaussian_bucket(graz, plain):
    beam = {"beam_radius_m": None, "divergence_rad": 20e-6, "divergence_definition": "full_1e2"}
    other = changed(plain, terminal=beam)
    receiver = other.stations["GRAZ"].receiver
    bucket = gaussian_bucket_loss_db(
        beam_radius_m=10e-6 * graz["range_m"].to_numpy(), aperture_diameter_m=receiver.aperture_diameter_m
    )
    blocked = -10 * np.log10(1 - receiver.obscuration_ratio**2)
    assert link_budget(graz, other)["diffraction_loss_db"].to_numpy() == pytest.approx(bucket + blocked, rel=1e-12)
    half = changed(plain, terminal=beam | {"divergence_definition": "half_1e2"})
    gap = link_budget(graz, half)["diffraction_loss_db"] - link_budget(graz, other)["diffraction_loss_db"]
    assert gap.to_numpy() == pytest.approx(np.full(len(graz), 20 * np.log10(2)), abs=0.01)


@pytest.mark.parametrize(
    ("beam", "message"),
    [
        ({"divergence_rad": 1e-5}, "exactly one of beam_radius_m and divergence_rad"),
        ({"beam_radius_m": None}, "exactly one of beam_radius_m and divergence_rad"),
        ({"beam_radius_m": None, "divergence_rad": 1e-5}, "3 dB hang on the word"),
        ({"divergence_definition": "fwhm"}, "divergence_rad and divergence_definition go together"),
    ],
)
def test_a_beam_is_given_once_and_with_its_definition(plain, beam, message):
    with pytest.raises(ValueError, match=message):
        changed(plain, terminal=beam)


def test_beam_quality_widens_the_beam_by_its_factor(graz, plain):
    fine, coarse = (changed(plain, terminal={"beam_quality": m}) for m in (1.0, 1.5))
    assert divergence_rad(coarse.satellites[0].terminal) == pytest.approx(
        1.5 * divergence_rad(fine.satellites[0].terminal)
    )
    gap = link_budget(graz, coarse)["diffraction_loss_db"] - link_budget(graz, fine)["diffraction_loss_db"]
    assert gap.to_numpy() == pytest.approx(np.full(len(graz), 20 * np.log10(1.5)), abs=0.05)


@pytest.mark.parametrize(("modes", "tip_tilt"), [(1, "uncorrected"), (3, "removed")])
def test_modelled_coupling_is_the_turbulence_above_the_station(graz, plain, modes, tip_tilt):
    receiver = {"coupling": "modelled", "coupling_loss_db": 1.0, "adaptive_optics_modes": modes}
    other = changed(plain, receiver=receiver)
    station = other.stations["GRAZ"]
    layers = hufnagel_valley_layers(site_height_msl_m=station.height_msl_m, lower_height_m=5.0)
    fried = fried_parameter_m(layers, wavelength_m=1.55e-6, elevation_deg=graz["elevation_deg"].to_numpy())
    gamma, diameter = station.receiver.obscuration_ratio, station.receiver.aperture_diameter_m
    mean = smf_coupling_kolmogorov(diameter / fried, obscuration_ratio=gamma, tip_tilt=tip_tilt)
    found = link_budget(graz, other)["coupling_loss_db"].to_numpy()
    assert found == pytest.approx(1.0 - 10 * np.log10(mean), rel=1e-12)


def test_more_modes_and_more_bandwidth_couple_more(graz, plain):
    def loss(**receiver):
        return link_budget(graz, changed(plain, receiver={"coupling": "modelled"} | receiver))["coupling_loss_db"]

    many = loss(adaptive_optics_modes=21, adaptive_optics_bandwidth_hz=1000.0)
    slow = loss(adaptive_optics_modes=21, adaptive_optics_bandwidth_hz=200.0)
    few = loss(adaptive_optics_modes=6, adaptive_optics_bandwidth_hz=1000.0)
    assert (many < slow).all()
    assert (many < few).all()


def test_strong_turbulence_is_flagged_where_it_is_modelled(study, plain):
    samples = study.samples[study.samples["ogs"] == "GRAZ"].assign(elevation_deg=11.0)
    other = changed(plain, receiver={"coupling": "modelled"})
    # HV 5/7 at 1550 nm exceeds a Rytov variance of one below about 13 deg.
    with pytest.warns(ModelValidityWarning, match="strong turbulence"):
        assert not link_budget(samples, other)["valid"].any()
    assert link_budget(samples.assign(elevation_deg=16.0), other)["valid"].all()
    assert link_budget(samples, changed(plain))["valid"].all()


def test_frame_rotation_and_doppler_add_as_independent_errors(graz, plain):
    base = link_budget(graz, changed(plain))["intrinsic_error"].to_numpy()
    beam = {"frame_rotation_rad": 0.1, "interferometer_delay_s": 1e-9, "doppler_compensated_share": 0.99}
    found = link_budget(graz, changed(plain, terminal=beam))["intrinsic_error"].to_numpy()
    shift = 0.01 * graz["range_rate_m_s"].to_numpy() / 1.55e-6
    straight = (1 - 2 * base) * (1 - 2 * np.sin(0.1) ** 2) * (1 - 2 * np.sin(np.pi * shift * 1e-9) ** 2)
    assert found == pytest.approx((1 - straight) / 2, rel=1e-9)


def test_rotation_of_the_frame_along_the_pass_is_taken_from_the_samples(graz, plain):
    """A residual that grows to 0.05 rad: sin² of each sample's own, beside the constant errors."""
    base = link_budget(graz, changed(plain))["intrinsic_error"].to_numpy()
    residual = np.linspace(0.0, 0.05, len(graz))
    found = link_budget(graz.assign(frame_rotation_rad=residual), changed(plain))["intrinsic_error"].to_numpy()
    assert found == pytest.approx((1 - (1 - 2 * base) * (1 - 2 * np.sin(residual) ** 2)) / 2, rel=1e-9)


# ---------------------------------------------------------------- fades


@pytest.mark.parametrize("variance", [1e-6, 1e-3, 0.02, 0.2])
@pytest.mark.parametrize("probability", [0.1, 0.01, 1e-4])
def test_joint_fades_without_bias_are_the_exponentially_modified_normal(variance, probability):
    theta, sigma = 10e-6, 1.5e-6
    found = joint_fade_loss_db(
        exceeded_probability=probability, log_irradiance_variance=variance, divergence_half_angle_rad=theta,
        jitter_rad=sigma,
    )  # fmt: skip
    scale, spread = DB * 4 * sigma**2 / theta**2, DB * np.sqrt(variance)
    expected = exponnorm.isf(probability, scale / spread, loc=DB * variance / 2, scale=spread)
    assert found == pytest.approx(expected, abs=1e-5)


def test_joint_fades_with_bias_and_unequal_jitter_agree_with_samples():
    jitter, bias, theta, variance = (2e-6, 0.7e-6), (1e-6, -0.5e-6), 10e-6, 0.01
    rng = np.random.default_rng(5)
    n = 2_000_000
    pointing = -10 * np.log10(pointing_samples(
        n, divergence_half_angle_rad=theta, jitter_rad=jitter, bias_rad=bias, rng=rng
    ))  # fmt: skip
    total = pointing + DB * (variance / 2 + np.sqrt(variance) * rng.standard_normal(n))
    for probability in (0.1, 0.01):
        found = joint_fade_loss_db(
            exceeded_probability=probability, log_irradiance_variance=variance, divergence_half_angle_rad=theta,
            jitter_rad=jitter, bias_rad=bias,
        )  # fmt: skip
        assert found == pytest.approx(np.quantile(total, 1 - probability), abs=0.01)
        assert np.mean(pointing > found) == pytest.approx(
            float(pointing_loss_survival(np.array([found]), divergence_half_angle_rad=theta, jitter_rad=jitter,
                                         bias_rad=bias)[0]), rel=0.02)  # fmt: skip


def test_two_fades_together_stay_below_the_sum_of_both():
    alone = pointing_fade_loss_db(divergence_half_angle_rad=10e-6, jitter_rad=2e-6, probability=0.01)
    variance = 0.05
    scintillation = DB * (variance / 2 + np.sqrt(variance) * norm.isf(0.01))
    both = joint_fade_loss_db(
        exceeded_probability=0.01, log_irradiance_variance=variance, divergence_half_angle_rad=10e-6, jitter_rad=2e-6
    )
    assert max(alone, scintillation) < both < 0.92 * (alone + scintillation)


def test_the_quantile_adds_a_fade_and_the_mean_has_none(graz, plain):
    other = changed(plain)
    mean = link_budget(graz, other)
    fade = link_budget(graz, other, statistic="quantile", exceeded_probability=0.01)
    assert "fade_loss_db" not in mean
    assert (fade["fade_loss_db"] > 0.5).all()
    gap = fade["total_loss_db"] - mean["total_loss_db"]
    assert gap.to_numpy() == pytest.approx(fade["fade_loss_db"].to_numpy(), rel=1e-9)


@pytest.mark.parametrize("options", [{"statistic": "median"}, {"statistic": "quantile", "exceeded_probability": 0.0}])
def test_unknown_statistics_are_refused(graz, plain, options):
    with pytest.raises(TableError, match=r"expected 'mean' or 'quantile' and 1e-6 to 0.5"):
        link_budget(graz, plain, **options)


# ---------------------------------------------------------------- lookup


@pytest.mark.parametrize(
    "receiver",
    [
        {},
        {"coupling": "modelled", "adaptive_optics_modes": 3},
        {"coupling": "modelled", "field": "free_space", "field_of_view_rad": 20e-6},
        {"coupling": "modelled", "adaptive_optics_modes": 21, "adaptive_optics_bandwidth_hz": 200.0},
        {"coupling": "modelled", "adaptive_optics_modes": 6, "aperture_diameter_m": 2.3},
        {
            "coupling": "modelled", "adaptive_optics_modes": 6, "adaptive_optics_bandwidth_hz": 100.0,
            "aperture_diameter_m": 2.3,
        },
    ],
)  # fmt: skip
def test_the_lookup_agrees_with_the_budget(graz, plain, receiver):
    """Over the whole table, slew included; asked for are 0.005 dB."""
    rng = np.random.default_rng(1)
    spread = graz.assign(
        elevation_deg=rng.uniform(5, 90, len(graz)), range_m=np.geomspace(3e5, 5e6, len(graz)),
        angular_rate_rad_s=rng.uniform(0, 0.03, len(graz)),
    )  # fmt: skip
    other = changed(plain, receiver=receiver)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelValidityWarning)
        exact = link_budget(spread, other)["total_loss_db"].to_numpy()
    lookup = make_lookup(Link(other.satellites[0].terminal, other.stations["GRAZ"], other.atmosphere))
    columns = ("elevation_deg", "range_m", "angular_rate_rad_s")
    found = lookup_loss_db(lookup, **{c: spread[c].to_numpy() for c in columns})
    assert np.abs(found - exact).max() < 0.005


def test_the_lookup_behind_lagging_optics_asks_for_the_slew(plain):
    optics = {"coupling": "modelled", "adaptive_optics_modes": 21, "adaptive_optics_bandwidth_hz": 200.0}
    other = changed(plain, receiver=optics)
    lookup = make_lookup(Link(other.satellites[0].terminal, other.stations["GRAZ"], other.atmosphere))
    with pytest.raises(ValueError, match="angular_rate_rad_s is missing"):
        lookup_loss_db(lookup, elevation_deg=40.0, range_m=1e6)
    with pytest.raises(ValueError, match=r"angular_rate_rad_s = 0\.05; expected 0 to 0\.03 rad/s"):
        lookup_loss_db(lookup, elevation_deg=40.0, range_m=1e6, angular_rate_rad_s=0.05)
    slow, fast = (
        lookup_loss_db(lookup, elevation_deg=40.0, range_m=1e6, angular_rate_rad_s=rate) for rate in (0.0, 0.015)
    )
    assert fast - slow > 0.3


def test_the_lookup_refuses_what_it_does_not_hold(plain):
    lookup = make_lookup(Link(plain.satellites[0].terminal, plain.stations["GRAZ"], plain.atmosphere))
    with pytest.raises(ValueError, match=r"elevation_deg = 4\.0; expected 5 to 90 deg"):
        lookup_loss_db(lookup, elevation_deg=4.0, range_m=1e6)
    with pytest.raises(ValueError, match=r"range_m = 10000\.0; expected 100000 to 6e"):
        lookup_loss_db(lookup, elevation_deg=40.0, range_m=1e4)
    with pytest.raises(ValueError, match="lowest_elevation_deg = 0"):
        make_lookup(Link(plain.satellites[0].terminal, plain.stations["GRAZ"], plain.atmosphere),
                    lowest_elevation_deg=0)  # fmt: skip


def test_clock_in_hold_over_and_time_transfer_close_the_gate(graz, plain):
    """100 s at 2.5e-12 shift the gate by its half; GNSS spreads the clicks by 3 ns beside a gate of 0.5 ns."""
    drifting = {"clock_hold_over_s": 100.0, "clock_fractional_frequency": 2.5e-12, "timing_jitter_s": 1e-11}
    budget = link_budget(graz, changed(plain, receiver=drifting))
    assert budget["gate_loss_db"].iloc[0] == pytest.approx(10 * np.log10(2), rel=1e-6)
    gnss = link_budget(graz, changed(plain, receiver={"time_transfer": "gnss"}))
    assert gnss["gate_loss_db"].iloc[0] == pytest.approx(-10 * np.log10(0.0664135), rel=1e-4)
    fibre = link_budget(graz, changed(plain, receiver={"time_transfer": "white_rabbit"}))
    assert 0 < fibre["gate_loss_db"].iloc[0] < 1e-4


def test_table_of_radiative_transfer_stands_instead_of_all_clear_air(graz, plain):
    rows = ((10.0, 4.0816), (90.0, 0.8957))
    other = changed(plain, atmosphere={"visibility_km": None, "extinction_table": rows})
    loss = link_budget(graz, other)["extinction_loss_db"].to_numpy()
    assert (loss > 0.8957).all()
    assert (loss < 4.0816).all()
    slope = np.diff(loss) / np.diff(airmass(graz))
    assert slope == pytest.approx(np.full(len(slope), slope[0]), rel=1e-6)


MODELLED = {"coupling": "modelled", "coupling_loss_db": 0.0, "aperture_diameter_m": 1.5}


@pytest.mark.parametrize("bandwidth_hz", [None, 500.0])
def test_more_correction_never_couples_less(graz, plain, bandwidth_hz):
    """A telescope of 1.5 m with 1 to 60 modes, where the core-and-halo form alone would fall behind tip-tilt."""
    losses = []
    for modes in (1, 3, 4, 5, 6, 10, 20, 60):
        receiver = MODELLED | {"adaptive_optics_modes": modes, "adaptive_optics_bandwidth_hz": bandwidth_hz}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ModelValidityWarning)
            losses.append(link_budget(graz, changed(plain, receiver=receiver))["coupling_loss_db"].to_numpy())
    assert (np.diff(losses, axis=0) <= 1e-9).all()


def test_adaptive_optics_out_of_its_depth_is_not_valid(graz, plain):
    receiver = MODELLED | {"adaptive_optics_modes": 4, "aperture_diameter_m": 2.5}
    with pytest.warns(ModelValidityWarning, match="hardly corrected"):
        budget = link_budget(graz, changed(plain, receiver=receiver))
    assert not budget["valid"].any()


def test_tracking_jitter_costs_what_a_beam_of_the_fibre_mode_would_lose(graz, plain):
    """80 cm at 1550 nm: 1/e² half angle of the mode 2/(k √<r²>); 0.5 µrad per axis leave 1/(1 + 4σ²/θ²)."""
    still, shaken = (
        link_budget(graz, changed(plain, receiver=MODELLED | {
            "aperture_diameter_m": 0.8, "obscuration_ratio": 0.0, "adaptive_optics_modes": 3,
            "tracking_jitter_rad": jitter,
        }))["coupling_loss_db"].to_numpy()
        for jitter in (0.0, 0.5e-6)
    )  # fmt: skip
    x = np.linspace(0, 1, 20_001)
    mode = np.exp(-((1.1209 * x) ** 2)) * x
    square = 0.4**2 * np.trapezoid(mode * x**2, x) / np.trapezoid(mode, x)
    width = 2 / (2 * np.pi / 1.55e-6 * np.sqrt(square))
    assert shaken - still == pytest.approx(np.full(len(still), 10 * np.log10(1 + 4 * (0.5e-6 / width) ** 2)), rel=1e-3)


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        ("elevation_deg", -5.0, "above 0 to 90 deg"), ("elevation_deg", 0.0, "above 0 to 90 deg"),
        ("range_m", 681.0, "50000 to 1e"), ("weight_s", -1.0, "above 0"), ("angular_rate_rad_s", 50.0, "0 to 1"),
        ("range_rate_m_s", 1e6, "-20000"), ("moon_elevation_deg", 100.0, "-90.1"),
    ],
)  # fmt: skip
def test_a_sample_that_no_link_has_is_named_with_row_and_column(graz, plain, column, value, named):
    wrong = graz.copy()
    wrong.loc[wrong.index[1], column] = value
    with pytest.raises(TableError, match=rf"SAMPLES\.{column} = .* in row 1 .*expected {named}"):
        link_budget(wrong, plain)


def test_wavelengths_without_a_known_gas_loss_and_the_near_field_are_not_valid(graz, plain):
    with pytest.warns(ModelValidityWarning, match="without a known gas loss"):
        wet = link_budget(graz, changed(plain, terminal={"wavelength_m": 1.38e-6}))
    assert not wet["valid"].any()
    stated = changed(plain, terminal={"wavelength_m": 1.38e-6}, atmosphere={"gas_zenith_loss_db": 20.0})
    assert link_budget(graz, stated)["valid"].all()
    with pytest.warns(ModelValidityWarning, match="near field"):
        near = link_budget(graz, changed(plain, terminal={"aperture_diameter_m": 5.0, "beam_radius_m": 2.0}))
    assert not near["valid"].any()


def test_artificial_light_counts_by_default(graz, plain):
    """18 mag/arcsec² and the assumed factor of 0.1 beyond 1 µm, beside airglow in the H band."""
    dark, town = (
        link_budget(graz, plain.model_copy(update={"stations": {
            ogs: s.model_copy(update={"zenith_sky_mag_v_arcsec2": magnitude}) for ogs, s in plain.stations.items()
        }}))["background_hz"].to_numpy()
        for magnitude in (22.0, 18.0)
    )  # fmt: skip
    lamps = 0.1 * (3.631e-2 * 10 ** (-0.4 * 18) / (np.pi / 180 / 3600) ** 2 - 2.9)
    sky = np.exp(np.interp(np.log(1.55), np.log([1.25, 1.63]), np.log([24.0, 83.0])))
    assert town / dark == pytest.approx(np.full(len(town), 1 + lamps / sky), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"beam_quality": 3.0}, "already"), ({"wavefront_error_waves": 0.1}, "already"),
        ({"divergence_rad": 1e-7}, "narrower than diffraction"),
    ],
)  # fmt: skip
def test_measured_divergence_stands_alone_and_obeys_diffraction(change, named):
    values = {"wavelength_m": 1.55e-6, "aperture_diameter_m": 0.08, "divergence_rad": 30e-6, "jitter_rad": 1e-6,
              "divergence_definition": "full_1e2", "pulse_rate_hz": 1e8, "intrinsic_error": 0.0}  # fmt: skip
    assert Terminal(**values).divergence_rad == 30e-6
    with pytest.raises(ValueError, match=named):
        Terminal(**(values | change))


@pytest.mark.parametrize(
    ("jitter", "bias"),
    [((5e-6, 1e-7), 0.0), ((5e-6, 1e-9), 0.0), ((1e-8, 5e-6), (3e-6, 1e-6)), ((2e-6, 5e-8), (1e-6, 0.0))],
)
def test_survival_with_a_narrow_axis_by_quadrature_over_the_wide_one(jitter, bias):
    """The narrow axis as a line: the wide one alone decides, to the width of the other."""
    (sx, sy), (bx, by) = jitter, bias if isinstance(bias, tuple) else (bias, 0.0)
    divergence = 2e-5
    for loss in (0.05, 0.452, 2.0):
        radius = divergence * np.sqrt(loss / (2 * DB))
        z = np.linspace(-8, 8, 4001)
        narrow, wide, center, offset = (sy, sx, bx, by) if sy < sx else (sx, sy, by, bx)
        near = offset + narrow * z
        rest = np.sqrt(np.maximum(radius**2 - near**2, 0.0))
        outside = np.where(
            np.abs(near) > radius, 1.0, norm.sf((rest - center) / wide) + norm.cdf((-rest - center) / wide)
        )
        expected = np.trapezoid(norm.pdf(z) * outside, z)
        found = pointing_loss_survival(
            np.array([loss]), divergence_half_angle_rad=divergence, jitter_rad=jitter, bias_rad=bias
        )[0]
        assert found == pytest.approx(expected, abs=2e-5)


# ---------------------------------------------------------------- fast clocks


def _clocked(plain, rate_hz, gate_s, jitter_s):
    return changed(plain, terminal={"pulse_rate_hz": rate_hz, "intrinsic_error": 0.009},
                   receiver={"gate_s": gate_s, "timing_jitter_s": jitter_s, "intrinsic_error": 0.005,
                             "dark_count_rate_hz": 0.0, "afterpulse_probability": 0.0, "dead_time_s": 0.0})  # fmt: skip


@pytest.mark.parametrize(
    ("rate_hz", "gate_s", "jitter_s", "own", "stray"),
    [(1e10, 0.1e-9, 0.15e-9, 0.26112, 0.73888), (1e9, 0.2e-9, 0.35e-9, 0.22490, 0.00846),
     (2.5e9, 0.4e-9, 0.149e-9, 0.82050, 0.17950), (1e9, 1e-9, 0.2e-9, 0.98758, 0.01242)],
)  # fmt: skip
def test_jitter_beyond_the_slot_is_light_in_other_gates(graz, plain, rate_hz, gate_s, jitter_s, own, stray):
    """Loss of the own gate and light of all others, by normal integrals by hand; 2e-5."""
    budget = link_budget(graz, _clocked(plain, rate_hz, gate_s, jitter_s))
    assert_allclose(10 ** (-budget["gate_loss_db"] / 10), own, atol=2e-5)
    assert_allclose(budget["neighbour_ratio"] * own, stray, atol=2e-5)


@pytest.mark.parametrize(("rate_hz", "gate_s", "jitter_s", "qber"),
                         [(1e10, 0.1e-9, 0.15e-9, 0.373), (2.5e9, 0.4e-9, 0.149e-9, 0.101)])  # fmt: skip
def test_a_clock_faster_than_the_detector_gives_no_key(graz, plain, rate_hz, gate_s, jitter_s, qber):
    """At ordinary parameters the error rate is that of own and neighbouring light; 0.015 of noise and sky beside."""
    chosen = _clocked(plain, rate_hz, gate_s, jitter_s)
    fixed = {"key_basis_probability": 0.8, "probability_1": 0.8, "probability_2": 0.15, "intensity_1": 0.7,
             "intensity_2": 0.15}  # fmt: skip
    chosen = chosen.model_copy(update={"protocol": Protocol(**fixed)})
    keys = window_keys(link_budget(graz, chosen), chosen)
    assert (keys["skl_bit"] == 0).all()
    assert keys["qber"].min() == pytest.approx(qber, abs=5e-3)


def test_a_fast_clock_with_a_fast_detector_keeps_its_key(graz, plain):
    chosen = _clocked(plain, 1e10, 0.1e-9, 0.02e-9)
    keys = window_keys(link_budget(graz, chosen), chosen)
    assert (keys["skl_bit"] > 0).any()


def test_continuous_pairs_know_no_neighbours(graz, plain):
    """Their windows are laid around clicks, not around pulses; the gate may be any."""
    chosen = _clocked(plain, 1e10, 1e-9, 0.3e-9)
    source = PairSource(kind="continuous", pair_rate_hz=1e6)
    chosen = chosen.model_copy(update={"protocol": Protocol(kind="bbm92", source=source)})
    assert (link_budget(graz, chosen)["neighbour_ratio"] == 0).all()
