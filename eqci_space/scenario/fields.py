"""What the records of a scenario are made of: the frozen base, and numbers, names and times with their ranges."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from eqci_space.files.degrees import decimal_degrees, longitude_problem
from eqci_space.files.limits import name_problem
from eqci_space.scenario.countries import country_problem

__all__ = ["Record"]


def _require_zone(value: object) -> object:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        raise ValueError(f"{value.isoformat()} is a day without time; write {value.isoformat()}T00:00:00Z")
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; write {value.isoformat()}Z for UTC")
    return value


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _sound_name(value: str) -> str:
    problem = name_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError) as error:
        raise ValueError("no zone of the time zone database; write a name such as 'Europe/Berlin' or 'UTC'") from error
    return value


def _known_country(value: str) -> str:
    problem = country_problem(value)
    if problem:
        raise ValueError(problem)
    return value


def _known_country_or_none(value: str) -> str:
    return value and _known_country(value)


UtcTime = Annotated[datetime, BeforeValidator(_require_zone), AfterValidator(_to_utc)]
Name = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_sound_name)]
EventName = Annotated[str, Field(min_length=1, max_length=200)]
TimeZone = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_known_zone)]


def _decimal(value: object) -> object:
    degrees = decimal_degrees(value) if isinstance(value, str) else None
    if degrees is not None:
        raise ValueError(f"'{value}' is no number; write decimal degrees, north and east positive: {degrees:g}")
    return value


def _signed(value: object) -> object:
    try:
        problem = longitude_problem(float(value)) if isinstance(value, str | float | int) else ""
    except ValueError:
        return value
    if problem:
        raise ValueError(problem)
    return value


Latitude = Annotated[float, Field(ge=-90, le=90), BeforeValidator(_decimal)]
Longitude = Annotated[float, Field(ge=-180, le=180), BeforeValidator(_signed), BeforeValidator(_decimal)]
Country = Annotated[str, AfterValidator(_known_country), WithJsonSchema({"type": "string", "pattern": "^[A-Z]{2}$"})]
CountryOrNone = Annotated[
    str, AfterValidator(_known_country_or_none), WithJsonSchema({"type": "string", "pattern": "^([A-Z]{2})?$"})
]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]
Obscuration = Annotated[float, Field(ge=0, lt=0.9)]
OpticalDepth = Annotated[float, Field(ge=0, le=5)]
Angle = Annotated[float, Field(ge=0, lt=360)]
Wavelength = Annotated[float, Field(ge=0.4e-6, le=2e-6)]
Elevation = Annotated[float, Field(ge=0, lt=90)]
SunElevation = Annotated[float, Field(ge=-90, le=90)]
KeepOut = Annotated[float, Field(ge=0, lt=180)]
TableElevation = Annotated[float, Field(gt=0, le=90)]
TableLoss = Annotated[float, Field(ge=0, le=300)]
MaskAzimuth = Annotated[float, Field(ge=0, lt=360)]
StatusClass = Literal["operational", "planned", "hypothetical"]
Jitter = Annotated[float, Field(ge=0, le=1e-3)]
Offset = Annotated[float, Field(ge=-1e-3, le=1e-3)]
Epsilon = Annotated[float, Field(gt=0, lt=0.1)]


class Record(BaseModel):
    """Frozen base: unknown keys are refused, infinities and NaN too, and true and false where a number is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _take_no_switch_for_a_number(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not any(isinstance(v, bool | list | tuple | dict) for v in data.values()):
            return data
        return {key: _marked(value) if key in _number_keys(cls) else value for key, value in data.items()}


class _Switch:
    """True or false where a number is meant, so that it is refused as what the file has."""

    def __init__(self, value: bool):
        self._value = value

    def __repr__(self) -> str:
        return str(self._value).lower()


def _marked(value: Any) -> Any:
    """The value with its switches marked, those in lists and tables of it included."""
    if isinstance(value, bool):
        return _Switch(value)
    if isinstance(value, list | tuple):
        return [_marked(part) for part in value]
    return {key: _marked(part) for key, part in value.items()} if isinstance(value, dict) else value


@cache
def _number_keys(model: type[BaseModel]) -> frozenset[str]:
    """Keys of the fields of a record that are made of numbers."""
    fields = {name: field for name, field in model.model_fields.items() if _is_numeric(field.annotation)}
    return frozenset(fields) | {field.alias for field in fields.values() if field.alias}


def _is_numeric(annotation: Any) -> bool:
    kinds = _kinds(annotation)
    return bool(kinds & {int, float}) and bool not in kinds


def _kinds(annotation: Any) -> set[Any]:
    """Types that a field is made of; a record in it has fields of its own, and counts for a switch."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {bool}
    parts = get_args(annotation)
    return {kind for part in parts for kind in _kinds(part)} if parts else {annotation}
