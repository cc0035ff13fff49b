"""The contracts of the tables that flow between the stages, and their check.

`TABLES` is the data dictionary: one entry a table, one line a column with its kind and meaning.
Times are timezone-aware UTC, intervals half-open, losses positive dB, keys in bits.
Extra columns are welcome; a missing or mistyped one raises `TableError` naming it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eqci_space.errors import TableError, near_matches

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "BACKUP", "PLANNED", "TABLES", "Table", "by_station", "check_table", "dual_columns", "empty_table",
    "planned_contacts", "second", "takes_part",
]  # fmt: skip

PLANNED, BACKUP = "planned", "backup"
"""Values of `status` in CONTACTS: what takes place, and what stands by for it."""
_DUAL = ("window_id_b", "p_clear_a", "p_clear_b")


@dataclass(frozen=True)
class Table:
    """Contract of one table: the name of its index and its columns as ``name -> (kind, meaning)``.

    Kinds: ``text``, ``time`` (UTC), ``number``, ``whole`` (integer), ``flag`` (bool), ``list``, ``shape`` (geometry).
    """

    index: str
    columns: dict[str, tuple[str, str]]


def _number(meaning: str) -> tuple[str, str]:
    return ("number", meaning)


_INTERVAL = {
    "satellite": ("text", "satellite name"),
    "ogs": ("text", "optical ground station"),
    "start": ("time", "first instant"),
    "end": ("time", "first instant after it"),
}
_SHAPE = {"geometry": ("shape", "longitude, latitude (EPSG:4326)")}

TABLES: dict[str, Table] = {
    "SITES": Table(
        "ogs",
        {
            "latitude_deg": _number("geodetic latitude, WGS 84"),
            "longitude_deg": _number("longitude, east positive"),
            "height_ellipsoid_m": _number("height above the WGS 84 ellipsoid"),
            "height_msl_m": _number("height above mean sea level"),
            "min_elevation_deg": _number("lowest geometric elevation used"),
            "node": ("text", "network node at which the station's key arrives"),
            "attach": ("text", "fibre | colocated | courier | none"),
            "status_class": ("text", "operational | planned | hypothetical"),
            "valid_from": ("time", "first instant of this row (mobile stations have several)"),
            "valid_to": ("time", "first instant after it"),
            **_SHAPE,
        },
    ),
    "NODES": Table(
        "node",
        {
            "name": ("text", "place"),
            "country": ("text", "ISO 3166 alpha-2, empty for a satellite"),
            "domain": ("text", "national network"),
            "role": ("text", "hub | ix | trusted_node | station | satellite"),
            "trust": ("text", "trusted | assumed"),
            **_SHAPE,
        },
    ),
    "LINKS": Table(
        "link",
        {
            "a": ("text", "one end"),
            "b": ("text", "other end"),
            "length_km": _number("fibre length"),
            "loss_db": _number("end-to-end loss"),
            "skr_bit_s": _number("secret key rate, commissioning included"),
            "rate_model": ("text", "protocol of the rate and what it states: finite, asymptotic, anchored; or stated"),
            "within_reach": ("flag", "loss within the device's reach"),
            "medium": ("text", "terrestrial | submarine | colocated | courier"),
            "domain": ("text", "national network, or two joined by '/' at a border"),
            **_SHAPE,
        },
    ),
    "DEMANDS": Table(
        "demand",
        {
            "a": ("text", "one end"),
            "b": ("text", "other end"),
            "purpose": ("text", "what the key serves"),
            "assurance": ("text", "class of admissible paths"),
            "weight": _number("weight in the objective"),
            "asked_bit_per_day": _number("key asked for"),
        },
    ),
    "PASSES": Table(
        "pass_id",
        {
            "satellite": ("text", "satellite name"),
            "ogs": ("text", "optical ground station"),
            "aos": ("time", "acquisition of signal"),
            "tca": ("time", "culmination"),
            "los": ("time", "loss of signal"),
            "max_elevation_deg": _number("largest elevation"),
            "min_range_m": _number("smallest slant range"),
            "truncated": ("flag", "cut by an edge of the period"),
        },
    ),
    "WINDOWS": Table("window_id", {"pass_id": ("text", "the pass it is part of"), **_INTERVAL}),
    "SAMPLES": Table(
        "",
        {
            "window_id": ("text", "window"),
            "satellite": ("text", "satellite name"),
            "ogs": ("text", "optical ground station"),
            "time": ("time", "middle of the slot"),
            "weight_s": _number("length of the slot"),
            "elevation_deg": _number("geometric elevation"),
            "azimuth_deg": _number("from north through east"),
            "range_m": _number("slant range"),
            "range_rate_m_s": _number("its rate, positive when receding"),
            "angular_rate_rad_s": _number("rate of the line of sight in the station's frame"),
            "sun_elevation_deg": _number("Sun at the station"),
            "sun_separation_deg": _number("Sun to line of sight"),
            "moon_elevation_deg": _number("Moon at the station"),
            "moon_separation_deg": _number("Moon to line of sight"),
            "moon_phase_deg": _number("phase angle, 0 = full"),
            "sunlit": ("flag", "satellite outside the Earth's umbra; in the penumbra too"),
        },
    ),
    "KEYS": Table(
        "window_id",
        {
            "usable_start": ("time", "first slot used"),
            "usable_end": ("time", "end of the last slot used"),
            "sifted_bit": _number("key-basis detections, all intensities"),
            "qber": _number("key-basis error rate"),
            "skl_bit": _number("secret key length, authentication paid"),
            "authentication_bit": _number("key that the tags of the block consume, already paid"),
            "epsilon": _number("failure probability in all"),
            "block": ("text", "finite-key block"),
            "protocol": ("text", "protocol"),
            "proof": ("text", "security proof"),
            "parameters": ("text", "protocol parameters, JSON"),
            "reason": ("text", "why zero, else empty"),
        },
    ),
    "CANDIDATES": Table(
        "candidate_id",
        {
            "window_id": ("text", "window"),
            **_INTERVAL,
            "ogs_b": ("text", "second station of a dual downlink, else empty"),
            "skl_bit": _number("clear-sky key"),
            "p_clear": _number("probability of a clear line of sight, of a dual downlink of both"),
            "available_at": ("time", "key usable after post-processing"),
            "edge": ("text", "edge of the key graph it fills"),
            "block": ("text", "finite-key block"),
        },
    ),
    "CONTACTS": Table(
        "contact_id",
        {
            "candidate_id": ("text", "candidate"),
            "window_id": ("text", "window that it is part of"),
            **_INTERVAL,
            "ogs_b": ("text", "second station of a dual downlink, else empty"),
            "skl_bit": _number("clear-sky key"),
            "expected_skl_bit": _number("p_clear times skl_bit"),
            "p_clear": _number("probability of a clear line of sight, of a dual downlink of both"),
            "status": ("text", "planned | backup | cancelled"),
            "reason": ("text", "why it was chosen"),
        },
    ),
    "DEPOSITS": Table(
        "",
        {
            "time": ("time", "instant at which the key can be used"),
            "edge": ("text", "edge that it fills"),
            "bit": _number("amount"),
            "contact_id": ("text", "contact that brought it"),
            "block": ("text", "finite-key block"),
            "kind": ("text", "expected | clear | realised"),
        },
    ),
    "ROUTES": Table(
        "",
        {
            "bin": ("time", "start of the bin"),
            "demand": ("text", "demand"),
            "path": ("list", "nodes in order"),
            "edges": ("list", "edges in order"),
            "bit": _number("key relayed"),
            "share": _number("part of the demand's key in the bin"),
        },
    ),
    "STORES": Table(
        "",
        {
            "bin": ("time", "start of the bin"),
            "edge": ("text", "edge"),
            "kind": ("text", "fibre | last_mile | space"),
            "initial_bit": _number("stock at the start"),
            "deposited_bit": _number("key added"),
            "used_bit": _number("key consumed by relay"),
            "spilled_bit": _number("key lost to the cap"),
            "expired_bit": _number("key lost to age"),
            "stock_bit": _number("stock at the end"),
        },
    ),
    "DELIVERY": Table(
        "",
        {
            "bin": ("time", "start of the bin"),
            "demand": ("text", "demand"),
            "asked_bit": _number("key asked for"),
            "delivered_bit": _number("key delivered; of a plan that of expected key"),
            "shortage_bit": _number("difference"),
        },
    ),
}
TABLES["BUDGET"] = Table("", {
    **TABLES["SAMPLES"].columns,
    "total_loss_db": _number("exit aperture to click"), "transmittance": _number("the same as a ratio"),
    "background_hz": _number("sky clicks per second, summed over detectors"),
    "extraneous_probability": _number("dark and sky clicks per detector and gate"),
    "intrinsic_error": _number("error probability of a signal click"),
    "valid": ("flag", "models in their stated range"),
})  # fmt: skip


_EMPTY_KINDS = {
    "text": "str",
    "time": "datetime64[us, UTC]",
    "number": "float64",
    "whole": "int64",
    "flag": "bool",
    "list": "object",
    "shape": "object",
}


def empty_table(name: str) -> pd.DataFrame:
    """A table without rows that fulfils the contract `name` (not for tables with geometry)."""
    import pandas as pd

    contract = TABLES[name]
    table = pd.DataFrame({c: pd.Series(dtype=_EMPTY_KINDS[kind]) for c, (kind, _) in contract.columns.items()})
    return table.rename_axis(contract.index) if contract.index else table


def dual_columns(table: pd.DataFrame) -> list[str]:
    """Columns that CANDIDATES or CONTACTS of dual downlinks have beside those of their contract.

    `window_id_b` is the window of the second station, `p_clear_a` and `p_clear_b` are the chances of each line of sight
    alone. Empty where no row has a second station.
    """
    return [c for c in _DUAL if c in table.columns] if (second(table, "ogs_b") != "").any() else []


def second(table: pd.DataFrame, column: str) -> np.ndarray:
    """Values of a column about the second station of dual downlinks; empty texts where a table lacks it."""
    import numpy as np

    return table[column].to_numpy(dtype=object) if column in table.columns else np.full(len(table), "", dtype=object)


def takes_part(table: pd.DataFrame, ogs: str) -> np.ndarray:
    """Rows (n,) bool in which a station takes part, as the first or the second."""
    return (table["ogs"].to_numpy(dtype=object) == ogs) | (second(table, "ogs_b") == ogs)


def by_station(table: pd.DataFrame) -> pd.DataFrame:
    """Rows once for every station that takes part: `ogs` and `window_id` are its own, those with b of the other.

    Rows of second stations follow all others, under the same ids; without any the table is returned as it is.
    """
    import pandas as pd

    other = second(table, "ogs_b")
    if not (other != "").any():
        return table
    more = table[other != ""]
    swapped: dict[str, pd.Series] = {}
    for one in ("ogs", "window_id"):
        if f"{one}_b" in table.columns:
            swapped |= {one: more[f"{one}_b"], f"{one}_b": more[one]}
    return pd.concat([table, more.assign(**swapped)])


def planned_contacts(contacts: pd.DataFrame) -> pd.DataFrame:
    """The rows of CONTACTS that take place, backups and cancelled ones left out."""
    return contacts[contacts["status"] == PLANNED]


def _is_kind(series: Any, kind: str) -> bool:
    """Whether a column holds values of a kind; list and shape columns are objects and pass as such."""
    import pandas as pd

    tests = {
        "text": lambda s: (
            pd.api.types.is_string_dtype(s) or s.dtype == object or isinstance(s.dtype, pd.CategoricalDtype)
        ),
        "time": lambda s: isinstance(s.dtype, pd.DatetimeTZDtype) and str(s.dtype.tz) == "UTC",
        "number": lambda s: pd.api.types.is_numeric_dtype(s) and not pd.api.types.is_bool_dtype(s),
        "whole": pd.api.types.is_integer_dtype,
        "flag": pd.api.types.is_bool_dtype,
        "list": lambda s: s.dtype == object,
        "shape": lambda s: str(s.dtype) == "geometry",
    }
    return bool(tests[kind](series))


def check_table(table: pd.DataFrame, name: str, where: str) -> pd.DataFrame:
    """Return `table` unchanged if it fulfils the contract `name`.

    Parameters
    ----------
    table : DataFrame
    name : str
        A key of `TABLES`.
    where : str
        The stage that asks; it opens the message.

    Raises
    ------
    TableError
        A column is missing, has the wrong kind, or holds NaN.
    """
    contract = TABLES[name]
    for column, (kind, _) in contract.columns.items():
        if column not in table.columns:
            hint = near_matches(column, table.columns)
            raise TableError(f"{where}: {name} lacks '{column}' ({hint}); add or rename the column")
        series = table[column]
        if not _is_kind(series, kind):
            raise TableError(f"{where}: {name}.{column} has kind {series.dtype}; expected {kind}; convert it first")
        if kind in ("number", "time") and series.isna().any():
            row = table.index[series.isna()][0]
            raise TableError(f"{where}: {name}.{column} is missing at row {row!r}; fill or drop the row")
    if contract.index and table.index.name != contract.index:
        raise TableError(f"{where}: {name} has index '{table.index.name}'; expected '{contract.index}'; use set_index")
    if contract.index and table.index.has_duplicates and name != "SITES":
        first = table.index[table.index.duplicated()][0]
        raise TableError(f"{where}: {name} has duplicate {contract.index} {first!r}; make the ids unique")
    return table
