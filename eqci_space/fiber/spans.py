"""Links as chains of spans: how many, how lossy, at what rate; and where trusted nodes have to be added."""

from __future__ import annotations

import math

import pandas as pd

from eqci_space.errors import DataError, InfeasibleError
from eqci_space.fiber.rates import fibre_key_rate_bit_s
from eqci_space.files.limits import SPANS_PER_LINK
from eqci_space.qkd.protocols import PROTOCOLS
from eqci_space.scenario import FiberNetwork, LinkRules, QkdDevice

__all__ = ["link_spans", "place_nodes", "span_device"]


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
    beyond reach has rate 0, or is split the same way under ``beyond_reach = "split"``.

    Parameters
    ----------
    row : Series
        length_km, loss_db, listed_sites of the link.

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
    parts = [1.0]
    if not int(row["listed_sites"]) and length_km > fiber.unlisted_span_km:
        parts.append(length_km / fiber.unlisted_span_km)
    if (rules.beyond_reach or fiber.beyond_reach) == "split":
        parts.append(round(loss_db / reach_db, 9))
    if max(parts) > SPANS_PER_LINK:
        raise DataError(
            f"link_spans: {length_km:g} km and {loss_db:g} dB make {max(parts):.3g} spans; expected at most "
            f"{SPANS_PER_LINK}; check length and loss, unlisted_span_km and reach_db"
        )
    spans = max(map(math.ceil, parts))
    loss_db = loss_db / spans
    within = loss_db <= reach_db
    device = span_device(fiber, rules)
    return {
        "spans": spans, "length_km": length_km / spans, "loss_db": loss_db, "within_reach": bool(within),
        "skr_bit_s": _rate(loss_db, within, device, fiber, rules),
        "rate_model": "stated" if rules.rate_bit_s is not None else
        f"{device.protocol} ({PROTOCOLS[device.protocol].statement})",
        "reason": "" if within else f"{loss_db:.1f} dB exceed the reach of {reach_db:g} dB",
    }  # fmt: skip


def _rate(loss_db: float, within: bool, device: QkdDevice, fiber: FiberNetwork, rules: LinkRules) -> float:
    if not within:
        return 0.0
    if rules.rate_bit_s is not None:
        return rules.rate_bit_s
    commissioned = rules.commissioning_factor or fiber.commissioning_factor
    return fibre_key_rate_bit_s(round(loss_db, 6), device) * commissioned * (rules.duty_cycle or fiber.duty_cycle)


def place_nodes(
    length_km: float,
    device: QkdDevice,
    *,
    attenuation_db_km: float = 0.22,
    terminal_loss_db: float = 1.0,
    min_rate_bit_s: float = 0.0,
    spans: int | None = None,
    commissioning_factor: float = 1.0,
) -> pd.DataFrame:
    """Cut a route into equal spans so that each gives a rate: the fewest that do, or a stated number.

    Hop-by-hop relay uses key on every span, so the end-to-end rate is that of the weakest; equal spans are best for
    any rate that falls with loss.

    Parameters
    ----------
    length_km : float
        Fibre length of the route [km], > 0.
    device : QkdDevice
    attenuation_db_km, terminal_loss_db : float
        Loss per km, and of the two ends of a span together [dB].
    min_rate_bit_s : float
        Rate wanted on every span [bit/s]; any rate above zero by default.
    spans : int, optional
        The number of spans, instead of the smallest.
    commissioning_factor : float
        Installed against modelled rate.

    Returns
    -------
    DataFrame
        One row per span: start_km, end_km, loss_db, skr_bit_s. Berlin-Frankfurt (670 km, generic avalanche diodes):
        8 spans of 84 km give 1.3e5 bit/s end to end (reference table of the tests).

    Raises
    ------
    ValueError
        An argument is out of range.
    InfeasibleError
        No number of spans reaches the rate.
    """
    if not 0 < length_km < math.inf or not 0 < attenuation_db_km < 100 or not 0 <= terminal_loss_db < 100:
        raise ValueError(
            f"place_nodes: length_km={length_km}, attenuation_db_km={attenuation_db_km}, terminal_loss_db="
            f"{terminal_loss_db}; expected a positive length and attenuation, and a loss >= 0"
        )
    if spans is not None and not 1 <= spans <= SPANS_PER_LINK:
        raise ValueError(f"place_nodes: spans={spans}; expected 1 to {SPANS_PER_LINK}")

    def rate(n: int) -> float:
        loss = round(attenuation_db_km * length_km / n + terminal_loss_db, 6)
        return fibre_key_rate_bit_s(loss, device) * commissioning_factor

    if spans is None:
        fewest, most = _span_range(attenuation_db_km * length_km, terminal_loss_db, device)
        best = rate(most) if fewest <= most else 0.0
        if best <= 0 or best < min_rate_bit_s:
            raise InfeasibleError(
                f"place_nodes: even the shortest spans give {best:,.0f} bit/s; asked are {min_rate_bit_s:,.0f}; "
                "ask for less, or take another device"
            )
        # The rate rises with the number of spans: search by halving.
        low, high = fewest - 1, most
        while high - low > 1:
            middle = (low + high) // 2
            enough = rate(middle) >= max(min_rate_bit_s, 1e-300)
            low, high = (low, middle) if enough else (middle, high)
        spans = high
    step = length_km / spans
    return pd.DataFrame({
        "start_km": [i * step for i in range(spans)], "end_km": [(i + 1) * step for i in range(spans)],
        "loss_db": attenuation_db_km * step + terminal_loss_db, "skr_bit_s": rate(spans),
    }).rename_axis("span")  # fmt: skip


def _span_range(route_loss_db: float, terminal_loss_db: float, device: QkdDevice) -> tuple[int, int]:
    """Fewest and most spans of a route for which the device has a rate: those within its data sheet, if it has one."""
    if not device.datasheet:
        return 1, SPANS_PER_LINK
    least_db, most_db = (device.datasheet[i][0] - terminal_loss_db for i in (0, -1))
    fewest = math.ceil(round(route_loss_db / most_db, 9)) if most_db > 0 else SPANS_PER_LINK + 1
    most = math.floor(round(route_loss_db / least_db, 9)) if least_db > 0 else SPANS_PER_LINK
    return max(1, fewest), min(most, SPANS_PER_LINK)
