"""Write data/atmosphere/linke_turbidity.npz from the monthly map of Linke turbidity that pvlib carries.

    python docs/make_turbidity.py FOLDER

FOLDER holds LinkeTurbidities.h5 and Altitude.h5 of pvlib 0.16 (pvlib/data; BSD-3-Clause); h5py and scipy are needed.
The map has 5 minutes of arc: Remund et al. 2003, SoDa. Of it stay half degrees, in tenths:

* A cell with land has the median turbidity and the mean height of its land. Sea and the south of 60 S have medians of
  4 degrees, at height 0.
* The course of a cell's year, month less mean, is held within 0.3 of the median of the cells within 2 degrees: some
  spots of the map have summers that nothing around them has (Harz and Thuringia in July, 6.3 beside 4.3).
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import h5py
import numpy as np
from scipy.ndimage import median_filter

TARGET = Path(__file__).parents[1] / "data" / "atmosphere" / "linke_turbidity.npz"
PER_CELL, PER_SEA_CELL, AROUND = 6, 48, 9
SOUTHERNMOST_DEG = -60.0
SPREAD = 0.3
NO_LAND, HEIGHT_STEP_M, LOWEST_M = 255, 28.0, -450.0


def blocks(values: np.ndarray, side: int) -> np.ndarray:
    """Fine values of each cell on axis 2: (rows, columns, side², ...)."""
    rows, columns, *rest = values.shape
    split = values.reshape(rows // side, side, columns // side, side, *rest).swapaxes(1, 2)
    return split.reshape(rows // side, columns // side, side * side, *rest)


def held_years(turbidity: np.ndarray) -> np.ndarray:
    """Months whose departure from the cell's mean is within `SPREAD` of the median departure around."""
    mean = turbidity.mean(axis=-1, keepdims=True)
    departure = turbidity - mean
    usual = np.stack([median_filter(departure[..., m], size=AROUND, mode="wrap") for m in range(12)], axis=-1)
    return mean + np.clip(departure, usual - SPREAD, usual + SPREAD)


def main(folder: Path) -> None:
    with h5py.File(folder / "LinkeTurbidities.h5") as file:
        fine = file["LinkeTurbidity"][:] / 20.0
    with h5py.File(folder / "Altitude.h5") as file:
        code = file["Altitude"][:]
    height = np.where(code == NO_LAND, np.nan, LOWEST_M + HEIGHT_STEP_M * code)
    on_land = np.where((code == NO_LAND)[..., None], np.nan, fine)
    sea = np.median(blocks(fine, PER_SEA_CELL), axis=2)
    sea = sea.repeat(PER_SEA_CELL // PER_CELL, axis=0).repeat(PER_SEA_CELL // PER_CELL, axis=1)
    parts = blocks(height, PER_CELL)
    land = ~np.isnan(parts).all(axis=2)
    turbidity, mean_height = sea.copy(), np.zeros(land.shape)
    turbidity[land] = np.nanmedian(blocks(on_land, PER_CELL)[land], axis=1)
    mean_height[land] = np.nanmean(parts[land], axis=1)
    turbidity = np.where(land[..., None], held_years(turbidity), turbidity)
    south = 90 - 0.25 - 0.5 * np.arange(len(land)) < SOUTHERNMOST_DEG
    turbidity[south], mean_height[south] = sea[south], 0.0
    tenths = np.round(10 * np.moveaxis(turbidity, -1, 0)).astype(np.uint8)
    # Differences from west to east, modulo 256, pack better.
    step = np.diff(tenths, axis=2, prepend=np.zeros((12, len(land), 1), dtype=np.uint8))
    heights = np.round((mean_height - LOWEST_M) / HEIGHT_STEP_M).astype(np.uint8)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez_compressed(TARGET, turbidity_step=step, height_code=heights)
    print(TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
