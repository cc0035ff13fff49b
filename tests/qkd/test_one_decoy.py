"""Fixed-parameter keys with one and two decoys against the published formulas, written out slot by slot."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import binom

from eqci_space.qkd.blocks import BlockTable, block_table
from eqci_space.qkd.counts import Counts, slot_counts
from eqci_space.qkd.decoy import key_length, proof_name
from eqci_space.qkd.decoy_parameters import DecoyParameters
from eqci_space.qkd.optimiser import ParameterLimits, optimise_key
from eqci_space.qkd.security import SecurityParameters

BOUNDS = ["chernoff", "hoeffding", "asymptotic"]
TWO = DecoyParameters(0.78, 0.75, 0.17, 0.72, 0.16)
DIM = DecoyParameters(0.78, 0.75, 0.17, 0.72, 0.16, 0.004)
BRIGHT = DecoyParameters(0.7, 0.6, 0.25, 0.55, 0.2, 0.05)
ONE = DecoyParameters(0.8, 0.7, 0.3, 0.55, 0.12, decoys=1)
SETS = {"two": TWO, "dim": DIM, "bright": BRIGHT, "one": ONE}

# Efficiency, noise, error and pulses of slots; the afterpulse probability.
BLOCKS = {
    "strong": ([(0.02, 2e-7, 0.01, 3e9), (0.01, 3e-7, 0.012, 3e9), (0.002, 4e-7, 0.02, 3e9)], 0.0),
    "weak": ([(4e-4, 1e-7, 0.008, 2e10), (9e-4, 2e-7, 0.009, 2e10), (2e-4, 1e-7, 0.01, 1e10)], 0.01),
    "noisy": ([(3e-3, 5e-6, 0.03, 1e10), (1e-3, 1e-6, 0.02, 2e10)], 0.002),
    "small": ([(5e-3, 1e-7, 0.01, 4e8), (2e-3, 1e-7, 0.015, 4e8)], 0.0),
    "hopeless": ([(1e-6, 1e-5, 0.05, 1e9)], 0.05),
}


def _h(x):
    return -x * math.log2(x) - (1 - x) * math.log2(1 - x) if 0 < x < 1 else 0.0


def _counts(slots, afterpulse, parameters):
    """Detections and errors per intensity: key basis, test basis, key errors, test errors."""
    p = parameters
    chance = [p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2][: p.decoys + 1]
    light = [p.intensity_1, p.intensity_2, p.intensity_3][: p.decoys + 1]
    key, test = p.key_basis_probability**2, (1 - p.key_basis_probability) ** 2
    out = [[0.0] * (p.decoys + 1) for _ in range(4)]
    for eta, noise, wrong, pulses in slots:
        for k in range(p.decoys + 1):
            signal = 1 - math.exp(-light[k] * eta)
            clicks = (1 + afterpulse) * (1 - (1 - 2 * noise) * math.exp(-light[k] * eta))
            errors = noise + afterpulse * clicks / 2 + wrong * signal
            for i, value in enumerate((key * clicks, test * clicks, key * errors, test * errors)):
                out[i][k] += chance[k] * pulses * value
    return out


def _span(n, total, beta, bound):
    """Lower and upper bound of an expected count: Yin et al. 2020 (Chernoff), Lim et al. 2014 (Hoeffding)."""
    if bound == "chernoff":
        return n - beta / 2 - math.sqrt(2 * n * beta + beta**2 / 4), n + beta + math.sqrt(2 * n * beta + beta**2)
    if bound == "hoeffding":
        delta = math.sqrt(total / 2 * beta)
        return n - delta, n + delta
    return n, n


def _yields(counts, errors, p, beta, bound):
    """Vacuum and single-photon detections of a basis: Lim et al. 2014, eqs 2 and 3; Rusca et al. 2018, eqs 2 to 4."""
    mu = [p.intensity_1, p.intensity_2, p.intensity_3]
    chance = [p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2]
    used = range(p.decoys + 1)
    tau0 = sum(chance[k] * math.exp(-mu[k]) for k in used)
    tau1 = sum(chance[k] * math.exp(-mu[k]) * mu[k] for k in used)
    total, wrong = sum(counts), sum(errors)
    scale = [math.exp(mu[k]) / chance[k] for k in used]
    low = [scale[k] * _span(counts[k], total, beta, bound)[0] for k in used]
    high = [scale[k] * _span(counts[k], total, beta, bound)[1] for k in used]
    if p.decoys == 2:
        s0 = max(tau0 * (mu[1] * low[2] - mu[2] * high[1]) / (mu[1] - mu[2]), 0.0)
        rest = (mu[1] ** 2 - mu[2] ** 2) / mu[0] ** 2 * (high[0] - s0 / tau0)
        s1 = tau1 * mu[0] * (low[1] - high[2] - rest) / (mu[0] * (mu[1] - mu[2]) - mu[1] ** 2 + mu[2] ** 2)
    else:
        s0 = max(tau0 * (mu[0] * low[1] - mu[1] * high[0]) / (mu[0] - mu[1]), 0.0)
        chance_errors = 0.0 if bound == "asymptotic" else math.sqrt(total / 2 * beta)
        most = 2 * (tau0 * scale[1] * _span(errors[1], wrong, beta, bound)[1] + chance_errors)
        rest = (mu[1] / mu[0]) ** 2 * high[0] + (mu[0] ** 2 - mu[1] ** 2) / mu[0] ** 2 * most / tau0
        s1 = tau1 * mu[0] / (mu[1] * (mu[0] - mu[1])) * (low[1] - rest)
    first, second = (1, 2) if p.decoys == 2 else (0, 1)
    above = scale[first] * _span(errors[first], wrong, beta, bound)[1]
    below = scale[second] * _span(errors[second], wrong, beta, bound)[0]
    v1 = min(tau1 * (above - below) / (mu[first] - mu[second]), wrong)
    return s0, max(s1, 0.0), v1


def _phase(ratio, tested, kept, log2_failure, sampling):
    if ratio >= 0.5:
        return 0.5
    pair, spread = (tested + kept) / (tested * kept), ratio * (1 - ratio)
    if sampling == "lim2014":
        return min(0.5, ratio + math.sqrt(pair * spread / math.log(2) * (math.log2(pair / spread) - log2_failure)))
    share = tested / (tested + kept)

    def excess(x):
        xi = _h(share * ratio + (1 - share) * x) - share * _h(ratio) - (1 - share) * _h(x)
        return (tested + kept) * xi + log2_failure

    return 0.5 if excess(0.5) <= 0 else brentq(excess, ratio, 0.5, xtol=1e-15)


def _length(slots, afterpulse, parameters, security):
    """Signed key length of Lim et al. 2014, eq. 1, or Rusca et al. 2018, eq. A25."""
    s, key_errors_total = security, None
    constant = 21 if parameters.decoys == 2 else 19
    beta = math.log(constant / s.epsilon_secrecy)
    key, test, key_errors, test_errors = _counts(slots, afterpulse, parameters)
    sx0, sx1, _ = _yields(key, key_errors, parameters, beta, s.bound)
    _, sz1, vz1 = _yields(test, test_errors, parameters, beta, s.bound)
    n, key_errors_total = sum(key), sum(key_errors)
    q = key_errors_total / n
    leak = s.error_correction_efficiency * n * _h(q)
    if s.leakage == "one-shot":
        quantile = binom.ppf(s.epsilon_correctness * (1 + 1 / math.sqrt(n)), math.floor(n), 1 - q)
        one_shot = n * _h(q) + (n * (1 - q) - quantile - 1) * math.log2((1 - q) / q)
        leak = max(leak, one_shot - math.log2(n) / 2 - math.log2(1 / s.epsilon_correctness))
    ratio = vz1 / sz1 if sz1 > 0 else 1.0
    if s.bound == "asymptotic":
        return sx0 + sx1 * (1 - _h(min(ratio, 0.5))) - leak
    phase = 0.5
    if sx1 > 0 and sz1 > 0:
        phase = _phase(ratio, sz1, sx1, 2 * math.log2(s.epsilon_secrecy / constant), s.sampling)
    fixed = 6 * math.log2(constant / s.epsilon_secrecy) + math.log2(2 / s.epsilon_correctness)
    return sx0 + sx1 * (1 - _h(phase)) - leak - fixed


def _table(slots, afterpulse):
    return block_table(*np.array(slots).T, afterpulse_probability=afterpulse)


@pytest.mark.parametrize("sampling", ["lim2014", "fung2010"])
@pytest.mark.parametrize("leakage", ["one-shot", "block"])
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("block", BLOCKS)
def test_key_length_is_that_of_the_published_formulas(block, name, bound, leakage, sampling):
    """From the table and from slot-by-slot counts, to 1e-9 relative."""
    slots, afterpulse = BLOCKS[block]
    security = SecurityParameters(1e-9, 1e-15, 1.16, bound, leakage, sampling)
    expected = _length(slots, afterpulse, SETS[name], security)
    tabulated = key_length(_table(slots, afterpulse), SETS[name], security)
    counts = slot_counts(*np.array(slots).T, SETS[name], afterpulse_probability=afterpulse)
    assert_allclose(tabulated.length_bit, expected, rtol=1e-9, atol=1e-6)
    assert_allclose(key_length(counts, SETS[name], security).length_bit, expected, rtol=1e-9, atol=1e-6)
    key, _, errors, _ = _counts(slots, afterpulse, SETS[name])
    assert_allclose(tabulated.sifted_bit, sum(key), rtol=1e-11)
    assert_allclose(tabulated.qber, sum(errors) / sum(key), rtol=1e-9)


PARAMETERS = st.one_of(
    st.builds(
        lambda px, p1, share, mu1, ratio, dim: DecoyParameters(
            px, p1, (1 - p1) * share, mu1, dim * mu1 + ratio * (1 - 2 * dim) * mu1, dim * mu1
        ),
        st.floats(0.2, 0.97),
        st.floats(0.05, 0.95),
        st.floats(0.05, 0.95),
        st.floats(0.1, 1.0),
        st.floats(0.05, 0.9),
        st.sampled_from([0.0, 0.0, 0.001, 0.05]),
    ),
    st.builds(
        lambda px, p1, mu1, ratio: DecoyParameters(px, p1, 1 - p1, mu1, ratio * mu1, decoys=1),
        st.floats(0.2, 0.97),
        st.floats(0.05, 0.95),
        st.floats(0.1, 1.0),
        st.floats(0.05, 0.9),
    ),
)
SLOTS = st.lists(
    st.tuples(
        st.floats(-4.5, -0.3).map(lambda x: 10**x),
        st.floats(-9, -4.5).map(lambda x: 10**x),
        st.floats(0, 0.06),
        st.floats(6, 12).map(lambda x: 10**x),
    ),
    min_size=1,
    max_size=5,
)


@given(
    slots=SLOTS,
    afterpulse=st.sampled_from([0.0, 0.01, 0.05]),
    parameters=PARAMETERS,
    bound=st.sampled_from(BOUNDS),
    leakage=st.sampled_from(["one-shot", "block"]),
    sampling=st.sampled_from(["lim2014", "fung2010"]),
    epsilon=st.floats(-14, -4).map(lambda x: 10**x),
    efficiency=st.floats(1.0, 1.4),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_key_length_of_any_block_is_that_of_the_published_formulas(
    slots, afterpulse, parameters, bound, leakage, sampling, epsilon, efficiency
):
    """Relative to the counts, because the length is a difference of numbers as large."""
    security = SecurityParameters(epsilon, 1e-15, efficiency, bound, leakage, sampling)
    expected = _length(slots, afterpulse, parameters, security)
    result = key_length(_table(slots, afterpulse), parameters, security)
    assert_allclose(result.length_bit, expected, rtol=1e-8, atol=1e-8 * result.sifted_bit + 1e-6)


def test_one_decoy_lengths_of_a_known_pass():
    """A block at 27 dB by the formulas above, printed once: the bounds differ as Hoeffding and Chernoff do."""
    slots, afterpulse = BLOCKS["strong"]
    lengths = {b: key_length(_table(slots, afterpulse), ONE, SecurityParameters(bound=b)).length_bit for b in BOUNDS}
    assert 0 < lengths["hoeffding"] < lengths["chernoff"] < lengths["asymptotic"]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("bound", ["chernoff", "hoeffding"])
@given(slots=SLOTS, afterpulse=st.sampled_from([0.0, 0.02]))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_finite_key_never_exceeds_the_asymptotic_one(bound, name, slots, afterpulse):
    block = _table(slots, afterpulse)
    finite, infinite = (
        key_length(block, SETS[name], SecurityParameters(bound=b, leakage="block")) for b in (bound, "asymptotic")
    )
    assert finite.length_bit <= infinite.length_bit + 1e-9
    assert finite.phase_error >= infinite.phase_error


@given(
    slots=SLOTS,
    parameters=PARAMETERS,
    bound=st.sampled_from(["chernoff", "hoeffding"]),
    sampling=st.sampled_from(["lim2014", "fung2010"]),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_key_at_fixed_parameters_falls_with_errors_and_with_epsilon(slots, parameters, bound, sampling):
    """With the block leakage, because the one-shot estimate moves in steps. Compared as floored keys."""

    def key(epsilon=1e-9, extra=0.0):
        worse = [(eta, noise, error + extra, n) for eta, noise, error, n in slots]
        security = SecurityParameters(epsilon, 1e-15, 1.16, bound, "block", sampling)
        return max(0.0, key_length(_table(worse, 0.0), parameters, security).length_bit)

    here = key()
    assert key(epsilon=1e-12) <= here * (1 + 1e-12) + 1e-9
    assert key(extra=0.01) <= here * (1 + 1e-12) + 1e-9


@given(slots=SLOTS, parameters=PARAMETERS, bound=st.sampled_from(["chernoff", "hoeffding"]))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_key_at_fixed_parameters_falls_with_noise_and_with_fewer_pulses(slots, parameters, bound):
    """Noise adds detections of vacuum, which are key, but never as many bits as it costs; floored keys."""

    def key(noisier=1.0, fewer=1.0):
        worse = [(eta, noise * noisier, error, n * fewer) for eta, noise, error, n in slots]
        security = SecurityParameters(bound=bound, leakage="block")
        return max(0.0, key_length(_table(worse, 0.0), parameters, security).length_bit)

    here = key()
    assert key(noisier=2.0) <= here * (1 + 1e-9) + 1e-6
    assert key(fewer=0.5) <= here * (1 + 1e-9) + 1e-6


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("sampling", ["lim2014", "fung2010"])
@pytest.mark.parametrize("name", SETS)
def test_key_length_is_always_a_number(name, sampling, bound):
    """No light, no pulses, no noise, errors of one half, a thousand pulses and 1e30."""
    security = SecurityParameters(bound=bound, sampling=sampling)
    every = product([0.0, 1e-12, 1.0], [0.0, 1e-9, 0.5], [0.0, 0.5], [0.0, 1e-12, 1.0, 1e3, 1e30])
    for slot in every:
        result = key_length(block_table(*slot), SETS[name], security)
        numbers = [v for v in vars(result).values() if isinstance(v, float)]
        assert len(numbers) == 7
        assert np.isfinite(numbers).all(), slot
        assert 0 <= result.phase_error <= 0.5


@pytest.mark.parametrize("name", SETS)
@given(slots=SLOTS)
@settings(max_examples=80, deadline=None, derandomize=True)
def test_single_photon_bounds_never_exceed_what_single_photons_give(name, slots):
    """Detections with one photon sent: N τ1 [1 - (1-2P)(1-η)], and N τ0 2P with none (Poisson statistics)."""
    p = SETS[name]
    chance = [p.probability_1, p.probability_2, 1 - p.probability_1 - p.probability_2]
    light = [p.intensity_1, p.intensity_2, p.intensity_3]
    used = range(p.decoys + 1)
    tau0 = sum(chance[k] * math.exp(-light[k]) for k in used)
    tau1 = sum(chance[k] * math.exp(-light[k]) * light[k] for k in used)
    key = p.key_basis_probability**2
    vacuum = key * tau0 * sum(n * 2 * noise for _, noise, _, n in slots)
    single = key * tau1 * sum(n * (1 - (1 - 2 * noise) * (1 - eta)) for eta, noise, _, n in slots)
    for bound in BOUNDS:
        result = key_length(_table(slots, 0.0), p, SecurityParameters(bound=bound))
        assert result.single_photon_bit <= single * (1 + 1e-9) + 1e-6
        assert result.vacuum_bit <= vacuum * (1 + 1e-9) + 1e-6 + 1e-9 * result.sifted_bit


def test_probabilities_of_one_decoy_add_to_one():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        block = block_table(10 ** rng.uniform(-4, -1), 1e-7, 0.01, 10 ** rng.uniform(8, 12))
        p = optimise_key(block, limits=ParameterLimits(decoys=1)).parameters
        assert p.decoys == 1
        assert_allclose(p.probability_1 + p.probability_2, 1.0, atol=1e-12)
        assert 0 < p.intensity_2 < p.intensity_1 <= 1


def test_one_decoy_gives_less_than_two_with_the_same_bounds():
    """Two decoys may send vacuum almost never, and know more; Rusca et al. 2018 find one ahead in small blocks only."""
    block = block_table(3e-3, 2e-7, 0.01, 1e11)
    one = optimise_key(block, limits=ParameterLimits(decoys=1)).length_bit
    two = optimise_key(block).length_bit
    assert 0.7 * two < one < two


@pytest.mark.parametrize(
    ("decoys", "bound", "sampling", "name"),
    [
        (2, "chernoff", "lim2014", "lim2014-chernoff"),
        (1, "hoeffding", "lim2014", "rusca2018-hoeffding"),
        (2, "asymptotic", "fung2010", "lim2014-asymptotic-fung2010"),
    ],
)
def test_proof_is_named(decoys, bound, sampling, name):
    assert proof_name(decoys, SecurityParameters(bound=bound, sampling=sampling)) == name


# Bad input.


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"probability_2": 0.4}, "p1 \\+ p2"),
        ({"probability_1": math.nan}, "probabilities"),
        ({"intensity_1": 0.16}, "intensities"),
        ({"intensity_1": math.nan}, "intensities"),
        ({"intensity_3": -0.1}, "intensity_3"),
        ({"intensity_3": 0.16}, "intensity_3"),
        ({"intensity_3": math.nan}, "intensity_3"),
        ({"intensity_1": 0.3, "intensity_2": 0.2, "intensity_3": 0.15}, "intensity_3"),
        ({"decoys": 3}, "decoys"),
        ({"decoys": 1}, "p1 \\+ p2 = 1"),
    ],
)
def test_impossible_parameters_are_refused_by_name(wrong, named):
    values = {
        "key_basis_probability": 0.8, "probability_1": 0.7, "probability_2": 0.2, "intensity_1": 0.6,
        "intensity_2": 0.16,
    }  # fmt: skip
    with pytest.raises(ValueError, match=named):
        DecoyParameters(**(values | wrong))


@pytest.mark.parametrize(
    ("slots", "named"),
    [
        ((1.01, 1e-7, 0.01, 1e9), "efficiency = 1.01; expected 0 to 1"),
        ((0.1, -1e-7, 0.01, 1e9), "extraneous_probability = -1e-07; expected 0 to 1"),
        ((0.1, 1e-7, math.nan, 1e9), "intrinsic_error = nan; expected 0 to 1"),
        ((0.1, 1e-7, 0.01, math.inf), "pulses = inf; expected 0 to 1e\\+30"),
    ],
)
def test_impossible_slots_are_refused_with_value_and_range(slots, named):
    with pytest.raises(ValueError, match=named):
        block_table(*slots)


@pytest.mark.parametrize("afterpulse", [-0.1, 1.0, math.nan])
def test_impossible_afterpulses_are_refused(afterpulse):
    with pytest.raises(ValueError, match="afterpulse_probability"):
        block_table(0.1, 1e-7, 0.01, 1e9, afterpulse_probability=afterpulse)


@pytest.mark.parametrize("afterpulse", [-0.1, 1.0, math.nan])
def test_impossible_afterpulses_of_counts_are_refused(afterpulse):
    with pytest.raises(ValueError, match="afterpulse_probability"):
        slot_counts(0.1, 1e-7, 0.01, 1e9, TWO, afterpulse_probability=afterpulse)


@pytest.mark.parametrize("where", ["key_basis", "test_basis", "key_errors", "test_errors"])
def test_impossible_counts_are_refused(where):
    """Measured counts may be wrong; a length of NaN passes for no key in one comparison and for key in another."""
    good = slot_counts(1e-3, 1e-7, 0.01, 1e10, TWO)
    for value in (-1.0, math.nan, math.inf):
        arrays = {n: getattr(good, n).copy() for n in ("key_basis", "test_basis", "key_errors", "test_errors")}
        arrays[where][1] = value
        with pytest.raises(ValueError, match=where):
            key_length(Counts(**arrays), TWO)


def test_extra_loss_of_counts_is_refused():
    with pytest.raises(ValueError, match=r"extra_loss_db = 1\.0"):
        key_length(slot_counts(1e-3, 1e-7, 0.01, 1e10, TWO), TWO, extra_loss_db=1.0)


@pytest.mark.parametrize("loss", [-6.1, math.nan])
def test_extra_gain_of_a_table_beyond_its_domain_is_refused(loss):
    with pytest.raises(ValueError, match="extra_loss_db"):
        key_length(block_table(1e-3, 1e-7, 0.01, 1e10), TWO, extra_loss_db=loss)


def test_blocks_of_different_receivers_do_not_add():
    one = block_table(1e-3, 1e-7, 0.01, 1e10)
    with pytest.raises(ValueError, match="afterpulse"):
        _ = one + BlockTable(one.series, 0.01)
