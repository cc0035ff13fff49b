"""Links as chains of spans: how many, how lossy, at what rate; and where trusted nodes have to be added."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from eqci_space.errors import DataError, InfeasibleError
from eqci_space.fiber.rates import fibre_key_rate_bit_s, stated_losses_db
from eqci_space.files.limits import SPANS_PER_LINK
from eqci_space.qkd.protocols import PROTOCOLS
from eqci_space.scenario import FiberNetwork, LinkRules, QkdDevice

__all__ = ["link_spans", "nodes_to_add", "place_nodes", "span_device", "spans_within"]

_SLACK = 1e-9
"""By how much of itself a loss may exceed the reach: what rounding makes of a loss that is just the reach."""


def spans_within(loss_db: float, reach_db: float) -> int:
    """Fewest equal spans of a route that lie within reach; a span of just the reach does.

    Parameters
    ----------
    loss_db : float
        Of the route [dB], >= 0, without losses that every span adds.
    reach_db : float
        Largest loss of a span [dB], > 0.
    """
    return max(1, math.ceil(loss_db / (reach_db * (1 + _SLACK))))


def span_device(fiber: FiberNetwork, rules: LinkRules) -> QkdDevice:
    """The device of a link: the network's or its own, with the drift and the classical channels of the link."""
    device = rules.device or fiber.device
    change: dict[str, object] = {}
    if rules.extra_error:
        change["intrinsic_error"] = min(0.499, device.intrinsic_error + rules.extra_error)
    if rules.coexistence is not None:
        change["coexistence"] = rules.coexistence
    return QkdDevice.model_validate(device.model_dump() | change) if change else device


def link_spans(row: pd.Series, fiber: FiberNetwork, rules: LinkRules) -> dict[str, object]:
    """What every span of a link has: number of spans, length, loss, rate, and why there is none.

    Links without listed intermediate sites that are longer than ``fiber.unlisted_span_km`` become equal spans; a span
    beyond reach has rate 0, or is split the same way under ``beyond_reach = "split"``. A span that gives no key for
    any other cause, such as Raman light, has rate 0 too; `reason` names the cause.

    Parameters
    ----------
    row : Series
        length_km [km], loss_db [dB] and listed_sites (0 or 1) of the link.
    fiber : FiberNetwork
        Reach, device and factors of the network.
    rules : LinkRules
        What is different for this link.

    Returns
    -------
    dict
        spans (their number), length_km [km], loss_db [dB] and skr_bit_s [bit/s] of each, within_reach, rate_model,
        reason (empty for a span with a rate).

    Raises
    ------
    DataError
        The link would become more spans than any network has.
    """
    length_km = float(row["length_km"] if rules.length_km is None else rules.length_km)
    loss_db = float(row["loss_db"] if rules.loss_db is None else rules.loss_db)
    if rules.length_km is not None and rules.loss_db is None and row["length_km"] > 0:
        loss_db *= length_km / float(row["length_km"])
    reach_db = rules.reach_db or fiber.reach_db
    unlisted = not int(row["listed_sites"]) and length_km > fiber.unlisted_span_km
    split = (rules.beyond_reach or fiber.beyond_reach) == "split"
    spans = max(
        1, math.ceil(length_km / fiber.unlisted_span_km) if unlisted else 1,
        spans_within(loss_db, reach_db) if split else 1,
    )  # fmt: skip
    if spans > SPANS_PER_LINK:
        raise DataError(
            f"link_spans: {length_km:g} km and {loss_db:g} dB make {spans:.3g} spans; expected at most "
            f"{SPANS_PER_LINK}; check length and loss, unlisted_span_km and reach_db"
        )
    loss_db = loss_db / spans
    within = spans_within(loss_db, reach_db) == 1
    rate = _rate(loss_db, fiber, rules) if within else 0.0
    device = rules.device or fiber.device
    return {
        "spans": spans, "length_km": length_km / spans, "loss_db": loss_db, "within_reach": within, "skr_bit_s": rate,
        "rate_model": "stated" if rules.rate_bit_s is not None else
        f"{device.protocol} ({PROTOCOLS[device.protocol].statement})",
        "reason": "" if rate > 0 else _no_key(loss_db, fiber, rules) if within else
        f"{loss_db:.1f} dB exceed the reach of {reach_db:g} dB",
    }  # fmt: skip


def _rate(loss_db: float, fiber: FiberNetwork, rules: LinkRules) -> float:
    """Rate of a span within reach [bit/s]: the stated one, or the modelled one as installed."""
    if rules.rate_bit_s is not None:
        return rules.rate_bit_s
    commissioned = rules.commissioning_factor or fiber.commissioning_factor
    modelled = fibre_key_rate_bit_s(round(loss_db, 6), span_device(fiber, rules))
    return modelled * commissioned * (rules.duty_cycle or fiber.duty_cycle)


def _no_key(loss_db: float, fiber: FiberNetwork, rules: LinkRules) -> str:
    """Why a span within reach gives no key: the first cause without which it would give some."""
    if rules.rate_bit_s is not None:
        return "a rate of 0 bit/s is stated"
    device = span_device(fiber, rules)
    bare = rules.model_copy(update={"coexistence": None})
    quiet = span_device(fiber, bare).model_copy(update={"coexistence": None})
    steady = quiet.model_copy(update={"intrinsic_error": (rules.device or fiber.device).intrinsic_error})
    loss = round(loss_db, 6)
    if device.coexistence and fibre_key_rate_bit_s(loss, quiet) > 0:
        return f"Raman light of the classical channels leaves no key at {loss_db:.1f} dB"
    if rules.extra_error and fibre_key_rate_bit_s(loss, steady) > 0:
        return f"the extra error of {rules.extra_error:g} leaves no key at {loss_db:.1f} dB"
    return f"the device gives no key at {loss_db:.1f} dB"


def nodes_to_add(loss_db: float, fiber: FiberNetwork, rules: LinkRules) -> int | None:
    """Fewest trusted nodes that cut a span into equal parts that are within reach and give key.

    Parameters
    ----------
    loss_db : float
        Of the span as it is [dB], >= 0.
    fiber : FiberNetwork
        Reach and device of the network.
    rules : LinkRules
        What is different for the link of this span.

    Returns
    -------
    int or None
        None if no number of nodes helps, as where a rate of 0 is stated.
    """
    if rules.rate_bit_s is not None:
        return spans_within(loss_db, rules.reach_db or fiber.reach_db) - 1 if rules.rate_bit_s > 0 else None
    device = span_device(fiber, rules)
    fewest, most = _span_range(loss_db, 0.0, rules.reach_db or fiber.reach_db, device)
    spans = _fewest(lambda n: fibre_key_rate_bit_s(round(loss_db / n, 6), device), fewest, most)
    return None if spans is None else spans - 1


def place_nodes(
    length_km: float,
    device: QkdDevice,
    *,
    attenuation_db_km: float = 0.22,
    terminal_loss_db: float = 1.0,
    reach_db: float = 24.0,
    min_rate_bit_s: float = 0.0,
    spans: int | None = None,
    commissioning_factor: float = 1.0,
) -> pd.DataFrame:
    """Cut a route into equal spans within reach so that each gives a rate: the fewest that do, or a stated number.

    Hop-by-hop relay uses key on every span, so the end-to-end rate is that of the weakest; equal spans are best for
    any rate that falls with loss.

    Parameters
    ----------
    length_km : float
        Fibre length of the route [km], > 0.
    device : QkdDevice
        That of every span.
    attenuation_db_km, terminal_loss_db : float
        Loss of the fibre [dB/km], > 0, and of the two ends of a span together [dB], >= 0.
    reach_db : float
        Largest loss of a span [dB], > 0; by default that of scenarios that state none.
    min_rate_bit_s : float
        Rate wanted on every span [bit/s], >= 0; any rate above zero by default.
    spans : int, optional
        The number of spans [1], instead of the smallest; then they may lie beyond reach, where a network would not
        use them.
    commissioning_factor : float
        Installed against modelled rate [1], > 0.

    Returns
    -------
    DataFrame
        One row per span: start_km, end_km [km], loss_db [dB], within_reach, skr_bit_s [bit/s]. Berlin-Frankfurt
        (670 km, generic avalanche diodes): 8 spans of 84 km give 1.3e5 bit/s end to end (reference table of the tests).

    Raises
    ------
    ValueError
        An argument is out of range.
    InfeasibleError
        No number of spans reaches the rate.
    """
    _check_route(length_km, attenuation_db_km, terminal_loss_db, reach_db, spans)

    def rate(n: int) -> float:
        loss = round(attenuation_db_km * length_km / n + terminal_loss_db, 6)
        return fibre_key_rate_bit_s(loss, device) * commissioning_factor

    if spans is None:
        fewest, most = _span_range(attenuation_db_km * length_km, terminal_loss_db, reach_db, device)
        spans = _fewest(rate, fewest, most, min_rate_bit_s)
        if spans is None:
            best = rate(most) if fewest <= most else 0.0
            raise InfeasibleError(
                f"place_nodes: even the shortest spans give {best:,.0f} bit/s; asked are {min_rate_bit_s:,.0f}; "
                "ask for less, or take another device"
            )
    step = length_km / spans
    loss_db = attenuation_db_km * step + terminal_loss_db
    return pd.DataFrame({
        "start_km": [i * step for i in range(spans)], "end_km": [(i + 1) * step for i in range(spans)],
        "loss_db": loss_db, "within_reach": spans_within(loss_db, reach_db) == 1, "skr_bit_s": rate(spans),
    }).rename_axis("span")  # fmt: skip


def _check_route(
    length_km: float, attenuation_db_km: float, terminal_loss_db: float, reach_db: float, spans: int | None
) -> None:
    if not 0 < length_km < math.inf or not 0 < attenuation_db_km < 100 or not 0 <= terminal_loss_db < reach_db < 1e3:
        raise ValueError(
            f"place_nodes: length_km={length_km}, attenuation_db_km={attenuation_db_km}, terminal_loss_db="
            f"{terminal_loss_db}, reach_db={reach_db}; expected a positive length and attenuation, and a loss of the "
            "ends from 0 to below the reach"
        )
    if spans is not None and not 1 <= spans <= SPANS_PER_LINK:
        raise ValueError(f"place_nodes: spans={spans}; expected 1 to {SPANS_PER_LINK}")


def _fewest(rate: Callable[[int], float], fewest: int, most: int, wanted: float = 0.0) -> int | None:
    """Smallest number of spans that gives the rate, which rises with the number; any rate above zero for 0."""

    def enough(n: int) -> bool:
        return rate(n) >= max(wanted, 1e-300)

    if fewest > most:
        return None
    if enough(fewest):
        return fewest
    if not enough(most):
        return None
    low, high = fewest, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _span_range(route_loss_db: float, terminal_loss_db: float, reach_db: float, device: QkdDevice) -> tuple[int, int]:
    """Fewest and most spans of a route that are within reach and within the losses for which a rate is stated."""
    least_db, most_db = (loss - terminal_loss_db for loss in stated_losses_db(device))
    largest_db = min(reach_db - terminal_loss_db, most_db)
    fewest = spans_within(route_loss_db, largest_db) if largest_db > 0 else SPANS_PER_LINK + 1
    most = math.floor(round(route_loss_db / least_db, 9)) if least_db > 0 else SPANS_PER_LINK
    return fewest, min(most, SPANS_PER_LINK)
