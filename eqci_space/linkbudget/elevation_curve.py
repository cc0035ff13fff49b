"""Costly functions of elevation, by a spline through fixed elevations."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.interpolate import CubicSpline

__all__ = ["along_elevation"]

_LOWEST_DEG = 1.0


def along_elevation(
    function: Callable[[np.ndarray], np.ndarray], elevation_deg: np.ndarray, *, nodes: int
) -> np.ndarray:
    """A smooth function of elevation [deg] at elevations of any shape, looked up at some nodes alone.

    A spline over log sin ε; below 1 deg the value there. The nodes are fixed, so that a value does not depend on what
    others are asked for.
    """
    sine = np.geomspace(np.sin(np.radians(_LOWEST_DEG)), 1.0, nodes)
    curve = CubicSpline(np.log(sine), function(np.degrees(np.arcsin(np.minimum(sine, 1.0)))))
    return curve(np.log(np.sin(np.radians(np.maximum(elevation_deg, _LOWEST_DEG)))))
