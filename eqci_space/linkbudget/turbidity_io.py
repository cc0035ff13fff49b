"""The shipped map of Linke turbidity: by month, on half degrees of the whole Earth."""

from __future__ import annotations

from functools import lru_cache
from zipfile import ZipFile

import numpy as np

from eqci_space.data import data_path

__all__ = ["TURBIDITY_FILE", "monthly_turbidity"]

TURBIDITY_FILE = "atmosphere/linke_turbidity.npz"
_CELLS_PER_DEG = 2
_TENTHS, _HEIGHT_STEP_M, _LOWEST_M = 10.0, 28.0, -450.0


@lru_cache(maxsize=1)
def _map() -> tuple[np.ndarray, np.ndarray]:
    """Tenths of turbidity (12, 360, 720) and codes of height (360, 720), from north to south and from west to east."""
    with ZipFile(data_path(*TURBIDITY_FILE.split("/"))) as archive:
        step, height = (_array(archive, name) for name in ("turbidity_step", "height_code"))
    return np.cumsum(step, axis=2, dtype=np.uint8), height


def _array(archive: ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


@lru_cache(maxsize=4096)
def _cell(row: int, column: int) -> tuple[np.ndarray, float]:
    tenths, codes = _map()
    return tenths[:, row, column] / _TENTHS, float(_LOWEST_M + _HEIGHT_STEP_M * codes[row, column])


def monthly_turbidity(latitude_deg: float, longitude_deg: float) -> tuple[np.ndarray, float]:
    """Linke turbidity of the twelve months in the half degree around a place, and the mean height of its land [m].

    Remund et al. 2003 (Worldwide Linke turbidity information, ISES Solar World Congress), by way of pvlib; at sea, and
    south of 60 S, means of 4 degrees at height 0. ``docs/make_turbidity.py`` says what was done to it.
    """
    row = min(int((90.0 - latitude_deg) * _CELLS_PER_DEG), 180 * _CELLS_PER_DEG - 1)
    return _cell(row, int((longitude_deg + 180.0) * _CELLS_PER_DEG) % (360 * _CELLS_PER_DEG))
