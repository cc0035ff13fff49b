"""Mean orbital elements as one frozen record, and the SGP4 propagator made from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from sgp4.api import SGP4_ERRORS, WGS72, Satrec

from eqci_space.errors import ElementsError, StaleElementsWarning

__all__ = [
    "BadRecord",
    "ElementSet",
    "age_day",
    "build_elements",
    "check_age",
    "propagator",
    "secular_rates_deg_day",
    "signed_age_day",
]

_STALE_AFTER_DAYS = 14.0
_DAYS_PER_YEAR = 365.25
_WRONG_AFTER_DAYS = 10 * _DAYS_PER_YEAR
_SGP4_EPOCH_ZERO = datetime(1949, 12, 31, tzinfo=UTC)
_LARGEST_SGP4_NUMBER = 339_999
_RAD_PER_DEG = 0.017453292519943295
_TWO_PI = 6.283185307179586
_LIMITS = {"minimum": "from", "maximum": "up to", "exclusiveMaximum": "to below"}
_SHAPE = ("mean_motion_rev_day", "eccentricity", "bstar_per_earth_radius")
_UNITS = {"_rev_day": " rev/day", "_deg": " deg"}


class ElementSet(BaseModel):
    """SGP4 mean elements (OMM fields with unit suffixes) and the identity of the object.

    The catalogue number may have nine digits; SGP4 is given a placeholder beyond 339,999. It is 0 where none is known.
    The two derivatives of the mean motion are kept as the element sets print them (half and a sixth
    of the derivative); SGP4 does not use them. `design` marks orbits made for a scenario, which have no age.
    Mean motions end at 0.004 rev/day: the Earth holds nothing beyond its Hill radius, 1.5e9 m or 0.0047 rev/day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    object_id: str = ""
    catalogue_number: Annotated[int, Field(ge=0, le=999_999_999)]
    epoch: AwareDatetime
    mean_motion_rev_day: Annotated[float, Field(ge=0.004, le=18)]
    eccentricity: Annotated[float, Field(ge=0, lt=1)]
    inclination_deg: Annotated[float, Field(ge=0, le=180)]
    raan_deg: Annotated[float, Field(ge=0, le=360)]
    argument_of_pericenter_deg: Annotated[float, Field(ge=0, le=360)]
    mean_anomaly_deg: Annotated[float, Field(ge=0, le=360)]
    bstar_per_earth_radius: float = 0.0
    mean_motion_dot_rev_day2: float = 0.0
    mean_motion_ddot_rev_day3: float = 0.0
    design: bool = False


@dataclass(frozen=True)
class BadRecord:
    """A record of an element file that could not be used: why, and the object it seems to be of, as far as known."""

    message: str
    name: str = ""
    catalogue_number: int | None = None


def build_elements(values: dict[str, Any], where: str, *, names: Mapping[str, str] | None = None) -> ElementSet:
    """Element set of field values.

    Parameters
    ----------
    values : dict
        By field of `ElementSet`.
    where : str
        Opens the message of an error.
    names : mapping, optional
        What the source calls the fields; a message uses these names.

    Raises
    ------
    ElementsError
        Values are out of range or no numbers: each with what was found and expected. Or SGP4 finds no orbit at the
        epoch.
    """
    names = names or {}
    try:
        elements = ElementSet(**values)
    except ValidationError as error:
        findings = []
        for item in error.errors():
            field = str(item["loc"][0])
            findings.append(f"{names.get(field, field)} is {_shown(item['input'])}; expected {_expected(field)}")
        raise ElementsError(f"{where}: {'. '.join(findings)}") from error
    code = _error_at_epoch(elements)
    if code:
        found = ", ".join(f"{names.get(field, field)} is {getattr(elements, field):g}" for field in _SHAPE)
        raise ElementsError(f"{where}: SGP4 finds no orbit at the epoch ({SGP4_ERRORS[code]}): {found}")
    return elements


def _error_at_epoch(elements: ElementSet) -> int:
    satrec = _initialised(elements)
    return int(satrec.error or satrec.sgp4_tsince(0.0)[0])


def _shown(value: Any) -> str:
    """A value as a message shows it: numbers bare even where the file's form has only text."""
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return f"{value!r:.40}"
    return f"{value!s:.40}"


@lru_cache
def _expected(field: str) -> str:
    """Kind, range and unit of a field, read off the record itself."""
    schema = ElementSet.model_json_schema()["properties"][field]
    kind = {"number": "a finite number", "integer": "a whole number"}.get(schema["type"], "text")
    limits = [f"{word} {schema[key]:.12g}" for key, word in _LIMITS.items() if key in schema]
    unit = next((unit for suffix, unit in _UNITS.items() if limits and field.endswith(suffix)), "")
    return " ".join([kind, *limits]) + unit


def propagator(elements: ElementSet) -> Satrec:
    """SGP4 propagator (WGS 72 constants, as element sets are made for).

    Raises
    ------
    ElementsError
        SGP4 refuses the elements at their epoch (decayed or impossible orbit).
    """
    satrec = _initialised(elements)
    if satrec.error:
        raise ElementsError(
            f"propagator: SGP4 refuses '{elements.name}' (error {satrec.error}: decayed or impossible orbit)"
        )
    return satrec


def _initialised(elements: ElementSet) -> Satrec:
    e = elements
    satrec = Satrec()
    days = (e.epoch - _SGP4_EPOCH_ZERO).total_seconds() / 86400.0
    number = e.catalogue_number if e.catalogue_number <= _LARGEST_SGP4_NUMBER else 0
    per_minute = _TWO_PI / 1440.0
    satrec.sgp4init(
        WGS72, "i", number, days, e.bstar_per_earth_radius,
        e.mean_motion_dot_rev_day2 * per_minute / 1440.0, e.mean_motion_ddot_rev_day3 * per_minute / 1440.0**2,
        e.eccentricity, e.argument_of_pericenter_deg * _RAD_PER_DEG, e.inclination_deg * _RAD_PER_DEG,
        e.mean_anomaly_deg * _RAD_PER_DEG, e.mean_motion_rev_day * per_minute, e.raan_deg * _RAD_PER_DEG,
    )  # fmt: skip
    return satrec


def secular_rates_deg_day(elements: ElementSet) -> tuple[float, float, float]:
    """Secular rates of node, argument of pericentre and mean anomaly [deg/day], as SGP4 applies them.

    They hold J2, J2² and J4 (Hoots and Roehrich 1980, Spacetrack Report 3), without drag and lunar-solar terms.
    The node of a sun-synchronous orbit moves by 360/365.2422 = 0.98565 deg/day.
    """
    satrec = propagator(elements)
    scale = 1440.0 / _RAD_PER_DEG
    return satrec.nodedot * scale, satrec.argpdot * scale, satrec.mdot * scale


def signed_age_day(elements: ElementSet, start: datetime, end: datetime) -> float:
    """Largest distance [day] of a period from the epoch: positive from elements before it, negative after it.

    Elements of the period itself have the sign of the end that is farther from them: positive where that is the last.
    """
    since = [(t - elements.epoch).total_seconds() / 86400.0 for t in (end, start)]
    return max(since, key=abs)


def age_day(elements: ElementSet, start: datetime, end: datetime) -> float:
    """Largest distance [day] of a period from the epoch."""
    return abs(signed_age_day(elements, start, end))


def check_age(elements: ElementSet, start: datetime, end: datetime) -> None:
    """Warn when a period reaches more than 14 days from the epoch, unless the orbit is a design.

    The SGP4 error of a low orbit grows by kilometres a day, so older elements, and newer ones, misplace passes by
    seconds.

    Raises
    ------
    ElementsError
        They are more than ten years apart (assumed): the epoch or the period is mistaken.
    """
    age = age_day(elements, start, end)
    if age > _WRONG_AFTER_DAYS and not elements.design:
        raise ElementsError(
            f"epoch {elements.epoch:%Y-%m-%dT%H:%MZ} of '{elements.name}' (catalogue number "
            f"{elements.catalogue_number}) is {age / _DAYS_PER_YEAR:.1f} years from the period {start:%Y-%m-%d} to "
            f"{end:%Y-%m-%d}; expected at most {_WRONG_AFTER_DAYS / _DAYS_PER_YEAR:g}; correct the epoch or the period"
        )
    if age > _STALE_AFTER_DAYS and not elements.design:
        warnings.warn(
            f"elements of '{elements.name}' are {age:.1f} days from the period (limit {_STALE_AFTER_DAYS:g}): their "
            f"epoch {elements.epoch:%Y-%m-%dT%H:%MZ} {_age_advice(elements, start, end)}",
            StaleElementsWarning,
            stacklevel=2,
        )


def _age_advice(elements: ElementSet, start: datetime, end: datetime) -> str:
    """Where the epoch lies, and what mends that."""
    if (end - start).total_seconds() > 2 * _STALE_AFTER_DAYS * 86400.0:
        place = "is before" if elements.epoch < start else "is after" if elements.epoch > end else "lies in"
        return f"{place} a period too long for one set; shorten the period, or plan it in parts with a set of each"
    if signed_age_day(elements, start, end) > 0:
        place = "is before the period" if elements.epoch < start else "is long before the period's end"
        return f"{place}; get newer elements"
    place = "is after the period" if elements.epoch > end else "is long after the period's start"
    return f"{place}; get older elements, from a history of the object"
