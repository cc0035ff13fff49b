"""Key of a part of a window near the cliff, where the signed length has a plateau on which searches come to rest."""

import numpy as np
import pytest

from eqci_space.qkd.blocks import BlockTable, running_tables
from eqci_space.qkd.decoy import key_length
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.intervals import optimise_interval
from eqci_space.qkd.optimiser import ParameterLimits


def _pass(zenith_db, *, edge_db=12.0, slots=105):
    """Efficiencies of a pass, its loss a parabola in time."""
    return 10 ** (-(zenith_db + edge_db * np.linspace(-1, 1, slots) ** 2) / 10)


def _best_at(running, parameters):
    """Largest key of any part at given parameters, every part tried."""
    slots = len(running) - 1
    return max(
        key_length(BlockTable(running[last] - running[first]), parameters).length_bit
        for first in range(0, slots, 3)
        for last in range(first + 1, slots + 1, 3)
    )


# Parameters that give key where the link's errors are just below what the protocol bears.
FAINT = {
    1: DecoyParameters(0.55, 0.679, 0.321, 0.125, 0.023, decoys=1),
    2: DecoyParameters(0.5, 0.15, 0.7, 0.375, 0.14),
}


@pytest.mark.parametrize("decoys", [1, 2])
@pytest.mark.parametrize("error", [0.01, 0.03, 0.045, 0.05])
@pytest.mark.parametrize("noise", [2e-8, 4e-6])
def test_key_just_before_the_cliff_is_found(decoys, error, noise):
    """Losses in steps of 0.15 dB: never less than the best part at parameters known to work there, and no gap."""
    errors, found = error * (1 + 0.3 * np.linspace(0, 1, 105)), []
    limits = ParameterLimits(decoys=decoys)
    edge = _cliff_db(errors, noise, FAINT[decoys])
    for loss_db in edge + np.arange(-1.5, 2.1, 0.15):
        running = running_tables(_pass(loss_db), noise, errors, 8e8)
        known = _best_at(running, FAINT[decoys]) if abs(loss_db - edge) < 0.2 else -np.inf
        length = optimise_interval(running, limits=limits)[0].length_bit
        assert length >= known * (1 - 1e-4) or known <= 0, f"{loss_db:.2f} dB: {length:.0f} of {known:.0f}"
        found.append(length)
    positive = np.array(found) > 0
    assert (np.diff(positive.astype(int)) <= 0).all(), np.round(found)
    assert positive[:9].all()


def _cliff_db(errors, noise, parameters):
    """Loss at which the middle of the pass stops giving key at given parameters, to 0.05 dB."""
    low, high = 0.0, 60.0
    while high - low > 0.05:
        middle = (low + high) / 2
        running = running_tables(_pass(middle), noise, errors, 8e8)
        if max(key_length(BlockTable(running[52 + w] - running[52 - w]), parameters).length_bit
               for w in (10, 20, 30, 45)) > 0:  # fmt: skip
            low = middle
        else:
            high = middle
    return low
