"""What the scenario as a whole refuses: gates longer than the time between pulses, and detectors of no basis choice."""

import pytest

from eqci_space.errors import ScenarioError
from eqci_space.scenario import load_scenario

RECEIVER = """
[station.GRAZ.receiver]
aperture_diameter_m = 0.5
optics_transmittance = 0.5
coupling_loss_db = 4.0
field = "single_mode"
filter_bandwidth_m = 0.5e-9
detector_efficiency = 0.8
dark_count_rate_hz = 300.0
intrinsic_error = 0.005
"""
PAIRS = """
[protocol.source]
kind = "continuous"
pair_rate_hz = 1e6
"""


def _messages(path):
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return " ".join(message for _, message in caught.value.problems)


@pytest.mark.parametrize("gate_s", [2.1e-9, 5e-9, 1e-3])
def test_a_gate_longer_than_the_pulse_period_is_refused(edited, gate_s):
    """The shipped terminal sends every 2 ns; a click in a longer gate belongs to several pulses."""
    message = _messages(edited(extra=f"{RECEIVER}gate_s = {gate_s}\n"))
    assert f"station 'GRAZ': receiver.gate_s = {gate_s:g} s is longer than the 2e-09 s between pulses" in message
    assert "satellite 'EAGLE1-LIKE' (pulse_rate_hz = 5e+08)" in message
    assert "shorten the gate, or lower the pulse rate" in message


@pytest.mark.parametrize("gate_s", [1e-10, 2e-9])
def test_a_gate_up_to_the_pulse_period_is_accepted_whatever_the_jitter(edited, gate_s):
    path = edited(extra=f"{RECEIVER}gate_s = {gate_s}\ntiming_jitter_s = 1e-8\n")
    assert load_scenario(path).stations["GRAZ"].receiver.gate_s == gate_s


def test_a_variant_is_held_to_its_own_clock(edited):
    """A receiver with a gate of 1 ns under pulses of 3 GHz; the planned pair is sound."""
    terminal = ('terminal = { wavelength_m = 1.55e-6, aperture_diameter_m = 0.08, beam_radius_m = 0.0357, jitter_rad = '
                '3e-6, bias_rad = 1e-6, pulse_rate_hz = 3e9, intrinsic_error = 0.008 }')  # fmt: skip
    message = _messages(edited(extra=f'\n[[variant]]\nname = "fast"\n{terminal}\nreceiver = "ogs-80cm-ingaas"\n'))
    assert "variant 'fast': receiver.gate_s = 1e-09 s is longer than the 3.33333e-10 s between pulses" in message


def test_continuous_pairs_have_no_period(edited):
    path = edited(('kind = "bb84-two-decoy"', 'kind = "bbm92"'), extra=f"{RECEIVER}gate_s = 1e-6\n{PAIRS}")
    assert load_scenario(path).stations["GRAZ"].receiver.gate_s == 1e-6


@pytest.mark.parametrize("detectors", [3, 5, 15])
def test_detectors_that_no_basis_choice_has_are_refused(edited, detectors):
    message = _messages(edited(extra=f"{RECEIVER}gate_s = 1e-9\ndetectors = {detectors}\n"))
    assert f"detectors = {detectors}; expected 1 or 2 (active basis choice), or an even number (passive" in message
