"""Error-correction leakage against SciPy's binomial, random sampling against the exact hypergeometric tail."""

import math
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.stats import binom, hypergeom

from eqci_space.qkd.decoy import proof_name
from eqci_space.qkd.leakage import binomial_cdf, binomial_quantile, entropy, leakage_bit
from eqci_space.qkd.protocols import security_parameters
from eqci_space.qkd.sampling import sampled_error
from eqci_space.qkd.security import SAMPLING, SecurityParameters
from eqci_space.scenario import Protocol

LIM, FUNG = 0, 1
ONE_SHOT, BLOCK = 0, 1
SIZES = [50, 200, 1_000, 10_000, 100_000]


def _h(x):
    return -x * math.log2(x) - (1 - x) * math.log2(1 - x) if 0 < x < 1 else 0.0


def _one_shot(n, q, eps_c):
    """Tomamichel et al. 2017 (Quantum Inf. Process. 16, 280), eq. 4, in bits; the quantile is SciPy's."""
    quantile = binom.ppf(eps_c * (1 + 1 / math.sqrt(n)), math.floor(n), 1 - q)
    fluctuation = (n * (1 - q) - quantile - 1) * math.log2((1 - q) / q)
    return n * _h(q) + fluctuation - 0.5 * math.log2(n) - math.log2(1 / eps_c)


# Leakage.


def test_entropy_of_known_values():
    """h(1/2) = 1, h(0.11) = 0.4999160 (so that 1 - 2h vanishes at 11 %), and zero outside."""
    assert entropy(0.5) == 1.0
    assert_allclose(entropy(0.11), 0.4999160, atol=1e-7)
    assert [entropy(x) for x in (-0.1, 0.0, 1.0, 1.2)] == [0.0] * 4


@pytest.mark.parametrize("n", [1, 7, 100, 4_321, 10**6, 10**9])
@pytest.mark.parametrize("p", [0.5, 0.89, 0.98, 0.999])
def test_binomial_distribution_is_that_of_scipy(n, p):
    """The logarithms of the factorials cancel: 1e-15 relative for each of n lb n."""
    spread = math.sqrt(n * p * (1 - p))
    for z in (-9.0, -5.0, -1.0, 0.0, 1.0):
        k = math.floor(n * p + z * spread)
        assert_allclose(binomial_cdf(k, n, p), binom.cdf(k, n, p), rtol=1e-9 + 1e-14 * n, atol=1e-300)
    assert binomial_cdf(-1, n, p) == 0.0
    assert binomial_cdf(n, n, p) == 1.0


@given(
    n=st.floats(0.31, 10).map(lambda x: 10**x),
    q=st.floats(-5, math.log10(0.499)).map(lambda x: 10**x),
    efficiency=st.floats(1.0, 1.3),
    eps_c=st.floats(-20, -2).map(lambda x: 10**x),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_one_shot_leakage_of_any_block(n, q, efficiency, eps_c):
    """Also where a bound spares the quantile, and for counts that are not whole."""
    expected = max(efficiency * n * _h(q), _one_shot(n, q, eps_c))
    assert_allclose(leakage_bit(n, q, eps_c, efficiency, ONE_SHOT), expected, rtol=1e-8, atol=1e-6)


@given(
    n=st.floats(0, 14).map(lambda x: 10**x - 1),
    q=st.floats(0, 1),
    efficiency=st.floats(1.1, 2.0),
    eps_c=st.floats(1e-30, 1, exclude_max=True),
    model=st.sampled_from([ONE_SHOT, BLOCK]),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_leakage_is_a_number_and_never_below_shannon(n, q, efficiency, eps_c, model):
    leak = leakage_bit(n, q, eps_c, efficiency, model)
    assert math.isfinite(leak)
    assert leak >= n * _h(q) * (1 - 1e-12)


@pytest.mark.parametrize("n", [1e11, 1e12, 1e13, 1e14])
def test_one_shot_leakage_of_huge_blocks(n):
    """At f_EC = 1 the one-shot term always counts; 1e-9 relative."""
    assert_allclose(leakage_bit(n, 0.02, 1e-15, 1.0, ONE_SHOT), _one_shot(n, 0.02, 1e-15), rtol=1e-9)


@pytest.mark.parametrize(("pulses", "error", "efficiency"), [(1e17, 0.02, 1.0), (1e30, 0.02, 1.0), (1e20, 1e-18, 1.16)])
def test_key_length_of_enormous_blocks_comes_to_an_end(pulses, error, efficiency):
    """1e30 pulses are allowed; a separate process, because the search for the quantile may never return."""
    code = (
        "from eqci_space.qkd.blocks import block_table\n"
        "from eqci_space.qkd.decoy import key_length\n"
        "from eqci_space.qkd.decoy_parameters import DecoyParameters\n"
        "from eqci_space.qkd.security import SecurityParameters\n"
        f"s = SecurityParameters(error_correction_efficiency={efficiency!r})\n"
        f"r = key_length(block_table(1.0, 0.0, {error!r}, {pulses!r}), DecoyParameters(0.9, 0.8, 0.15, 0.7, 0.1), s)\n"
        "assert r.length_bit > 0, r\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"the key length of {pulses:g} pulses did not end within 120 s")
    assert done.returncode == 0, done.stderr


@given(n=st.integers(1_000, 10**7), q=st.floats(0.001, 0.1), step=st.floats(1.0001, 1.1))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_more_errors_never_leak_less_than_a_step_of_the_quantile(n, q, step):
    """Between two jumps of the quantile the estimate falls by at most one slope lb((1-q)/q)."""
    few, many = (leakage_bit(float(n), x, 1e-15, 1.0, ONE_SHOT) for x in (q, q * step))
    assert many >= few - math.log2((1 - q) / q) - 1e-6


def test_no_errors_leak_nothing_and_half_errors_all():
    assert leakage_bit(1e6, 0.0, 1e-15, 1.16, ONE_SHOT) == 0.0
    assert_allclose(leakage_bit(1e6, 0.5, 1e-15, 1.16, ONE_SHOT), 1.16e6)
    assert leakage_bit(0.0, 0.1, 1e-15, 1.16, ONE_SHOT) == 0.0


@pytest.mark.parametrize("n", [2.0, 17.0, 1e3, 1e5])
@pytest.mark.parametrize("p", [0.6, 0.9, 0.999])
@pytest.mark.parametrize("chance", [1e-30, 1e-12, 1e-3, 0.4])
def test_quantile_is_the_smallest_count_with_that_chance(n, p, chance):
    k = binomial_quantile(chance, n, p)
    assert binom.cdf(k, n, p) >= chance
    assert k == 0 or binom.cdf(k - 1, n, p) < chance


# Sampling without replacement.


def _exact_errors(found, tested, kept, log2_failure):
    """Smallest number of errors among the kept bits that the test refuses: tail P[X <= found] <= failure."""

    def refused(errors):
        return hypergeom.logcdf(found, tested + kept, found + errors, tested) <= log2_failure * math.log(2)

    if not refused(kept):
        return kept
    low, high = 0, kept
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if refused(middle) else (middle, high)
    return high


def _sampling_cases(tested, kept, log2_failure):
    for found in {round(tested * rate) for rate in (0.01, 0.02, 0.05, 0.1, 0.2)} - {0}:
        exact = _exact_errors(found, tested, kept, log2_failure)
        if exact < 0.49 * kept:
            yield found / tested, exact


@pytest.mark.parametrize("epsilon", [1e-9 / 21, 1e-10, 1e-5])
@pytest.mark.parametrize("kept", SIZES)
@pytest.mark.parametrize("tested", SIZES)
def test_hypergeometric_inequality_is_close_to_the_exact_tail(tested, kept, epsilon):
    """Fung et al. 2010 at failure ε²: within 7 % and one kept bit of what the hypergeometric tail itself demands."""
    log2_failure = 2 * math.log2(epsilon)
    for rate, exact in _sampling_cases(tested, kept, log2_failure):
        bound = sampled_error(rate, float(tested), float(kept), log2_failure, FUNG)
        assert abs(bound * kept - exact) <= 0.07 * exact + 1


@pytest.mark.parametrize("epsilon", [1e-9 / 21, 1e-10, 1e-5])
@pytest.mark.parametrize("kept", SIZES)
@pytest.mark.parametrize("tested", SIZES)
def test_hypergeometric_inequality_never_falls_below_the_exact_tail(tested, kept, epsilon):
    """A smaller bound fails more often than ε²; one kept bit is left to rounding."""
    log2_failure = 2 * math.log2(epsilon)
    for rate, exact in _sampling_cases(tested, kept, log2_failure):
        bound = sampled_error(rate, float(tested), float(kept), log2_failure, FUNG)
        assert bound * kept >= exact - 1, f"{rate}: {bound * kept:.1f} of {kept} errors, the exact tail asks {exact}"


def _failure(rate, tested, kept, method, log2_failure):
    """Chance that the test shows the rate although the kept bits hold as many errors as the bound says, exactly."""
    found = round(rate * tested)
    errors = math.ceil(sampled_error(found / tested, float(tested), float(kept), log2_failure, method) * kept)
    return hypergeom.cdf(found, tested + kept, found + errors, tested)


@pytest.mark.parametrize(("tested", "rate"), [(100, 0.03), (300, 0.02), (500, 0.02), (1_000, 0.01), (2_000, 0.01)])
@pytest.mark.parametrize("kept", [500, 5_000, 100_000])
def test_the_default_inequality_is_kept_and_the_closed_form_broken_by_the_exact_tail(tested, rate, kept):
    """ε/21 of ε = 1e-9 is allowed, 4.8e-11; the bounds are asked for its square, and the default alone keeps it."""
    epsilon, log2_failure = 1e-9 / 21, 2 * math.log2(1e-9 / 21)
    assert _failure(rate, tested, kept, SAMPLING[SecurityParameters().sampling], log2_failure) < epsilon**2 * 1.5
    assert _failure(rate, tested, kept, LIM, log2_failure) > epsilon


def test_failure_of_the_closed_form_at_500_tested_bits():
    """4e-9 at 500 tested and 500 kept bits with 2 % errors, where 4.8e-11 is allowed; 2e-22 by the inequality."""
    log2_failure = 2 * math.log2(1e-9 / 21)
    assert_allclose(_failure(0.02, 500, 500, LIM, log2_failure), 3.6e-9, rtol=0.05)
    assert_allclose(_failure(0.02, 500, 500, FUNG, log2_failure), 2.16e-22, rtol=0.05)


@pytest.mark.parametrize(("bound", "decoys"), [("chernoff", 2), ("hoeffding", 1)])
def test_scenarios_rest_on_the_inequality_unless_they_say_otherwise(bound, decoys):
    assert Protocol().sampling == "fung2010"
    assert proof_name(decoys, security_parameters(Protocol(bound=bound))).endswith(f"-{bound}-fung2010")
    assert proof_name(decoys, security_parameters(Protocol(bound=bound, sampling="lim2014"))).endswith(f"-{bound}")


@given(
    rate=st.floats(1e-4, 0.45),
    tested=st.floats(1.5, 9).map(lambda x: 10**x),
    kept=st.floats(1.5, 9).map(lambda x: 10**x),
    epsilon=st.floats(-15, -2).map(lambda x: 10**x),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_closed_form_is_gamma_of_lim(rate, tested, kept, epsilon):
    """Lim et al. 2014, eq. 5: γ with the 21² of the failure probability inside the logarithm."""
    pair, spread = (tested + kept) / (tested * kept), rate * (1 - rate)
    gamma = math.sqrt(pair * spread / math.log(2) * max(math.log2(pair / spread * 21**2 / epsilon**2), 0.0))
    assert_allclose(
        sampled_error(rate, tested, kept, 2 * math.log2(epsilon / 21), LIM), min(0.5, rate + gamma), rtol=1e-12
    )


@given(
    rate=st.floats(1e-3, 0.4),
    tested=st.floats(1.5, 8).map(lambda x: 10**x),
    kept=st.floats(1.5, 8).map(lambda x: 10**x),
    epsilon=st.floats(-15, -2).map(lambda x: 10**x),
)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_hypergeometric_inequality_is_solved(rate, tested, kept, epsilon):
    """2^(-(c+d) ξ) = ε² with the exponent of Fung et al. 2010, root found by Brent's method."""
    share = tested / (tested + kept)

    def excess(x):
        xi = _h(share * rate + (1 - share) * x) - share * _h(rate) - (1 - share) * _h(x)
        return (tested + kept) * xi + 2 * math.log2(epsilon)

    bound = sampled_error(rate, tested, kept, 2 * math.log2(epsilon), FUNG)
    if excess(0.5) <= 0:
        assert_allclose(bound, 0.5)
    else:
        assert_allclose(bound, brentq(excess, rate, 0.5, xtol=1e-14), rtol=1e-6)


@pytest.mark.parametrize("method", [LIM, FUNG])
@given(
    rate=st.floats(1e-3, 0.4),
    tested=st.floats(1.5, 8).map(lambda x: 10**x),
    kept=st.floats(1.5, 8).map(lambda x: 10**x),
    epsilon=st.floats(-15, -2).map(lambda x: 10**x),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_bound_grows_with_everything_that_makes_it_less_sure(method, rate, tested, kept, epsilon):
    def bound(r=rate, t=tested, k=kept, e=epsilon):
        return sampled_error(r, t, k, 2 * math.log2(e), method)

    assume(rate * tested >= 4)
    here = bound()
    assert rate <= here <= 0.5
    assert bound(e=epsilon / 10) >= here - 1e-12
    assert bound(t=tested / 2) >= here - 1e-12
    assert bound(k=kept / 2) >= here - 1e-12
    assert bound(r=rate * 1.1) >= here - 1e-12


@pytest.mark.parametrize("method", [LIM, FUNG])
@pytest.mark.parametrize("ratio", [1e-300, 1e-16, 0.5, 0.7, 1e20, math.inf])
@pytest.mark.parametrize("tested", [1e-10, 1.0, 1e12])
@pytest.mark.parametrize("kept", [1e-10, 1.0, 1e12])
def test_bound_is_a_probability_for_any_counts(method, ratio, tested, kept):
    bound = sampled_error(ratio, tested, kept, -70.0, method)
    assert 0 <= bound <= 0.5


@pytest.mark.parametrize("method", [LIM, FUNG])
def test_bound_is_a_probability_when_nothing_was_seen(method):
    assert 0 <= sampled_error(0.0, 1e4, 1e4, -70.0, method) <= 0.5


def test_closed_form_joins_the_inequality_for_large_samples():
    """The expansion agrees to 13 % of the deviation at 1e7 bits, and falls below it by a third and more at 300."""
    large = [sampled_error(0.02, 1e7, 1e7, -66.4, m) - 0.02 for m in (LIM, FUNG)]
    small = [sampled_error(0.02, 300.0, 300.0, -66.4, m) - 0.02 for m in (LIM, FUNG)]
    assert_allclose(large[0], large[1], rtol=0.13)
    assert small[0] < 0.7 * small[1]


@pytest.mark.parametrize("tested", [100, 1_000, 10_000])
def test_inequality_is_cautious_when_the_test_shows_no_error(tested):
    """No error in c bits still admits 1 - ε^(2/c); a bound that starts from a rate near zero must not vanish."""
    log2_failure = 2 * math.log2(1e-9 / 21)
    least = 1 - 2 ** (log2_failure / tested)
    bound = sampled_error(1e-10 / tested, float(tested), 1e6, log2_failure, FUNG)
    assert bound >= min(0.5, least) * (1 - 1e-3)
