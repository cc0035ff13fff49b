"""The table of gas absorption against the radiative transfer it stands for, and its way into a budget."""

import tomllib

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from eqci_space.data import data_path
from eqci_space.errors import ModelValidityWarning
from eqci_space.linkbudget.budget import link_budget
from eqci_space.linkbudget.extinction import (
    airmass_kasten_young,
    apparent_elevation_deg,
    clear_sky_loss_db,
    gas_loss_db,
)
from eqci_space.linkbudget.gas import GAS_WINDOWS, gas_absorption
from eqci_space.scenario import Atmosphere, Terminal

TERMINALS = tomllib.loads(data_path("presets", "terminals.toml").read_text(encoding="utf-8"))
ELEVATION_DEG = np.array([90.0, 45.0, 30.0, 20.0, 10.0])
AIRMASS = airmass_kasten_young(apparent_elevation_deg(ELEVATION_DEG))
# MODTRAN, clear sky from 500 km to sea level, as shipped with SatQuMA (MIT licence): transmittance by elevation above.
MODTRAN = {
    785: (0.876040, 0.830019, 0.769584, 0.684172, 0.482591),
    790: (0.865418, 0.816588, 0.753230, 0.664968, 0.461514),
    795: (0.860783, 0.810653, 0.745880, 0.656158, 0.451494),
    800: (0.859997, 0.809456, 0.744116, 0.653633, 0.447774),
    805: (0.856202, 0.804859, 0.738721, 0.647503, 0.441354),
    810: (0.813639, 0.756654, 0.686023, 0.592194, 0.390693),
    815: (0.741585, 0.676282, 0.599337, 0.502376, 0.309855),
    820: (0.717792, 0.650669, 0.572535, 0.475329, 0.286187),
    825: (0.741359, 0.677348, 0.601609, 0.505601, 0.313113),
    830: (0.775114, 0.714844, 0.642056, 0.547708, 0.351669),
    835: (0.820530, 0.765925, 0.698043, 0.607363, 0.409708),
    840: (0.863268, 0.815651, 0.754359, 0.669448, 0.473734),
    845: (0.886683, 0.844391, 0.788599, 0.709186, 0.518200),
    850: (0.895181, 0.855366, 0.802365, 0.726081, 0.539028),
}
# LOWTRAN 7, US Standard 1976, sea level to space, all gases without scattering [dB] at 0, 60 and 80 deg from the
# zenith (airmass 1, 1.994, 5.580).
LOWTRAN = {
    1530: (0.2348, 0.3553, 0.6782), 1540: (0.1383, 0.2151, 0.4299), 1545: (0.0990, 0.1558, 0.3190),
    1550: (0.0564, 0.0919, 0.2013), 1555: (0.0487, 0.0806, 0.1813), 1560: (0.0479, 0.0796, 0.1801),
    1565: (0.0807, 0.1290, 0.2721),
}  # fmt: skip


def gas_db(wavelength_m, airmass):
    loss, exponent = gas_absorption(wavelength_m=wavelength_m)
    return gas_loss_db(airmass, zenith_loss_db=loss, airmass_exponent=exponent)


@pytest.mark.parametrize("nm", MODTRAN)
def test_clear_air_and_gas_lose_what_modtran_loses(nm):
    """Within 0.015 dB from the zenith to 10 deg; 0.042 dB at 850 nm, where the haze column is 1.5 % too thick."""
    scattering = clear_sky_loss_db(airmass=AIRMASS, wavelength_m=nm * 1e-9, visibility_km=23)
    expected = -10 * np.log10(MODTRAN[nm])
    assert_allclose(scattering + gas_db(nm * 1e-9, AIRMASS), expected, atol=0.042 if nm == 850 else 0.015)


def test_the_water_band_at_820_nm_takes_more_than_scattering():
    """MODTRAN: 1.44, 2.42 and 5.43 dB at 90, 30 and 10 deg, where scattering alone makes 0.52, 1.04 and 2.90 dB."""
    airmass = AIRMASS[[0, 2, 4]]
    scattering = clear_sky_loss_db(airmass=airmass, wavelength_m=820e-9, visibility_km=23)
    assert_allclose(scattering, [0.52, 1.04, 2.90], atol=0.005)
    assert_allclose(scattering + gas_db(820e-9, airmass), [1.44, 2.42, 5.43], atol=0.015)


@pytest.mark.parametrize("nm", LOWTRAN)
def test_gas_of_the_c_band_is_lowtrans(nm):
    assert_allclose(gas_db(nm * 1e-9, np.array([1.0, 1.994, 5.580])), LOWTRAN[nm], atol=0.003)


@pytest.mark.parametrize(
    ("nm", "direct", "extraterrestrial"), [(1060, 0.60073, 0.64831), (1064, 0.59722, 0.64621), (1070, 0.57178, 0.62165)]
)
def test_gas_at_1064_nm_is_that_of_the_standard_spectrum(nm, direct, extraterrestrial):
    """ASTM G173-03 at 1.5 airmasses: what molecules (Hansen, Travis) and haze (0.084 at 500 nm, å = 1.43) leave."""
    um = nm / 1e3
    depth = 0.008569 * um**-4 * (1 + 0.0113 * um**-2) + 0.084 * (nm / 500) ** -1.43
    slant = 10 * np.log10(extraterrestrial / direct) - 10 / np.log(10) * 1.5 * depth
    assert_allclose(gas_db(nm * 1e-9, 1.5), slant, atol=0.002)


def test_wavelengths_between_rows_are_linear_and_windows_end_where_they_end():
    assert gas_absorption(wavelength_m=812.5e-9) == pytest.approx((0.5665, 0.6295), abs=1e-9)
    assert gas_absorption(wavelength_m=785e-9) == (0.006, 0.88)
    assert gas_absorption(wavelength_m=1.55e-6) == (0.055, 0.75)
    for rows in GAS_WINDOWS.values():
        nms = [row[0] for row in rows]
        assert nms == sorted(set(nms))
        for edge, outside in ((nms[0], nms[0] - 0.1), (nms[-1], nms[-1] + 0.1)):
            assert gas_absorption(wavelength_m=edge * 1e-9) is not None
            assert gas_absorption(wavelength_m=outside * 1e-9) is None
    with pytest.raises(ValueError, match=r"gas_absorption: wavelength_m = 1550\.0"):
        gas_absorption(wavelength_m=1550.0)


# ---------------------------------------------------------------- in a budget


@pytest.fixture(scope="module")
def low(study):
    """Samples of Graz at 90, 45, 30, 20 and 10 deg."""
    samples = study.samples[study.samples["ogs"] == "GRAZ"].head(len(ELEVATION_DEG)).reset_index(drop=True)
    return samples.assign(elevation_deg=ELEVATION_DEG)


def budget_of(samples, plain, nm, **air):
    satellite = plain.satellites[0]
    beam = Terminal.model_validate(satellite.terminal.model_dump() | {"wavelength_m": nm * 1e-9})
    return link_budget(samples, plain.model_copy(update={
        "satellites": (satellite.model_copy(update={"terminal": beam}),), "atmosphere": Atmosphere(**air),
    }))  # fmt: skip


@pytest.mark.parametrize("nm", [785, 810, 820, 835])
def test_a_budget_in_the_water_band_loses_what_modtran_loses(low, plain, nm):
    """Stations stand above the sea, so scattering alone is less than at sea level; gas is the whole of the band."""
    budget = budget_of(low, plain, nm, visibility_km=23)
    height = clear_sky_loss_db(airmass=AIRMASS, wavelength_m=nm * 1e-9, visibility_km=23) - budget["extinction_loss_db"]
    lost = budget["extinction_loss_db"] + height + budget["gas_loss_db"]
    assert_allclose(lost, -10 * np.log10(MODTRAN[nm]), atol=0.015)
    assert budget["valid"].all()


def test_a_stated_gas_loss_wins_over_the_table_and_nothing_is_counted_twice(low, plain):
    assert_allclose(budget_of(low, plain, 1550)["gas_loss_db"], 0.055 * AIRMASS**0.75, rtol=1e-9)
    assert (budget_of(low, plain, 820, gas_zenith_loss_db=0.0)["gas_loss_db"] == 0).all()
    assert_allclose(budget_of(low, plain, 820, gas_zenith_loss_db=0.3)["gas_loss_db"], 0.3 * AIRMASS, rtol=1e-12)
    bent = budget_of(low, plain, 820, gas_zenith_loss_db=0.3, gas_airmass_exponent=0.5)
    assert_allclose(bent["gas_loss_db"], 0.3 * AIRMASS**0.5, rtol=1e-12)
    tabulated = budget_of(low, plain, 820, extinction_table=((10, 5.43), (90, 1.44)))
    assert (tabulated["gas_loss_db"] == 0).all()
    assert tabulated["valid"].all()


@pytest.mark.parametrize("nm", [670, 762, 784, 852, 940, 1310, 1529, 1566, 1950])
def test_a_wavelength_of_no_window_is_not_valid_unless_its_gas_loss_is_stated(low, plain, nm):
    with pytest.warns(ModelValidityWarning, match="without a known gas loss"):
        assert not budget_of(low, plain, nm)["valid"].any()
    assert budget_of(low, plain, nm, gas_zenith_loss_db=0.0)["valid"].all()


def test_an_exponent_without_a_gas_loss_is_refused():
    with pytest.raises(ValidationError, match="gas_airmass_exponent goes with gas_zenith_loss_db"):
        Atmosphere(gas_airmass_exponent=0.7)


@pytest.mark.parametrize(
    ("name", "gas"),
    [
        ("eagle1-like-pessimistic", 0.055), ("eagle1-like-nominal", 0.055), ("eagle1-like-optimistic", 0.055),
        ("micius-like-850nm", 0.023 * 1.4 / 5), ("cubesat-785nm", 0.006),
        ("ground-13cm-785nm", 0.006),
    ],
)  # fmt: skip
def test_every_shipped_terminal_sends_where_the_gas_loss_is_known(name, gas):
    loss, _ = gas_absorption(wavelength_m=TERMINALS[name]["wavelength_m"]["value"])
    assert loss == pytest.approx(gas, abs=1e-9)
    for other in TERMINALS.values():
        assert gas_absorption(wavelength_m=other["wavelength_m"]["value"]) is not None
