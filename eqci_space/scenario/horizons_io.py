"""Files of horizon masks."""

from __future__ import annotations

from pathlib import Path

from eqci_space.errors import DataError
from eqci_space.files.csv_rows import numbered_rows

__all__ = ["read_horizon_mask"]


__all__ = ["read_horizon_mask"]


def read_horizon_mask(path: Path) -> list[tuple[float, float]]:
    """Pairs (azimuth, elevation) [deg] of a CSV file with the columns azimuth_deg and elevation_deg.

    A last row at 360 deg that repeats the first at 0 deg is dropped.

    Raises
    ------
    DataError
        A column is missing, a value is no number or out of range, azimuths do not rise, or the rows at 0 and 360 deg
        differ.
    """
    pairs: list[tuple[float, float]] = []
    for line, row in numbered_rows(path, required=("azimuth_deg", "elevation_deg")):
        try:
            azimuth, elevation = float(row["azimuth_deg"]), float(row["elevation_deg"])
        except (TypeError, ValueError) as error:
            raise DataError(f"{path.name} line {line}: expected two numbers; {error}") from error
        for column, value, sound, limits in (
            ("azimuth_deg", azimuth, 0.0 <= azimuth <= 360.0, "0 to 360"),
            ("elevation_deg", elevation, 0.0 <= elevation < 90.0, "0 to below 90"),
        ):
            if not sound:
                raise DataError(f"{path.name} line {line}: {column} is {value:g}; expected {limits}")
        if pairs and azimuth <= pairs[-1][0]:
            raise DataError(f"{path.name} line {line}: azimuth_deg {azimuth:g} after {pairs[-1][0]:g}; they must rise")
        pairs.append((azimuth, elevation))
    if not pairs:
        raise DataError(f"{path.name}: no row; expected azimuth_deg, elevation_deg")
    if pairs[-1][0] == 360.0:
        if pairs[0][0] == 0.0 and pairs[0][1] != pairs[-1][1]:
            raise DataError(f"{path.name}: elevation {pairs[0][1]:g} at 0 deg but {pairs[-1][1]:g} at 360 deg")
        last = pairs.pop()
        pairs = pairs if pairs and pairs[0][0] == 0.0 else [(0.0, last[1]), *pairs]
    return pairs
