"""Where the segments of an ephemeris file can be believed: unbroken parts in order of time, and what lies between.

A file says nothing in a gap: an interval of more than five times the usual step near it (assumed: a manoeuvre may hide
there), or of more than 2.5 times where the interpolation misses more than a metre. Where segments overlap, the one that
begins later takes over, as after a manoeuvre. A leap second ends a part, since calendar axes have no place for it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
from scipy.ndimage import median_filter

from eqci_space.errors import ImplausibleInputWarning
from eqci_space.orbits.oem_segment import OemSegment, interpolated_km, nearby_states, position_errors_m
from eqci_space.orbits.time_scales import leap_instants, tai_us, utc_of

__all__ = ["SHORTEST", "gap_words", "unbroken_parts"]

_NEARBY = 9
_LONG_GAP, _GAP = 5.0, 2.5
_GAP_ERROR_M = 1.0
_COARSE_M = 100.0
_LARGEST_LEAP_KM = 1.0
SHORTEST = timedelta(seconds=1)


def unbroken_parts(segments: list[OemSegment]) -> list[OemSegment]:
    """Parts of one object's segments that do not overlap, in order of time, none of them torn.

    Warns
    -----
    ImplausibleInputWarning
        The file's own interpolation misses the orbit by more than 100 m, or two segments disagree by more than a
        kilometre where one takes over.
    """
    parts: list[OemSegment] = []
    for segment in sorted(segments, key=lambda s: s.useable_start):
        for part in _without_gaps(segment):
            parts = _painted(parts, part)
    parts.sort(key=lambda s: s.useable_start)
    for before, after in pairwise(parts):
        _compare_at_join(before, after)
    return [cut for part in parts for cut in _between_leaps(part)]


def _without_gaps(segment: OemSegment) -> Iterator[OemSegment]:
    """Parts of a segment between its gaps that have enough states."""
    steps, errors = np.diff(segment.seconds), position_errors_m(segment)
    usual = median_filter(steps, size=min(_NEARBY, len(steps)), mode="nearest")
    torn = (steps > _LONG_GAP * usual) | ((steps > _GAP * usual) & (errors > _GAP_ERROR_M))
    if np.median(errors) > _COARSE_M:
        warnings.warn(
            f"ephemeris of '{segment.object_name}': {segment.interpolation} interpolation of degree {segment.degree} "
            f"between states {np.median(steps):.0f} s apart, as the file asks, misses the orbit by "
            f"{np.median(errors) / 1e3:.1f} km; give closer states, or HERMITE of degree 7",
            ImplausibleInputWarning,
            stacklevel=2,
        )
    edges = [0, *(np.flatnonzero(torn) + 1), len(segment.seconds)]
    needed = nearby_states(segment.interpolation, segment.degree)
    for low, high in pairwise(edges):
        if high - low < needed:
            continue
        first, last = (_utc(segment, float(segment.seconds[k])) for k in (low, high - 1))
        start, stop = max(first, segment.useable_start), min(last, segment.useable_stop)
        if stop - start >= SHORTEST:
            yield replace(
                segment, seconds=segment.seconds[low:high], states=segment.states[low:high], useable_start=start,
                useable_stop=stop,
            )  # fmt: skip


def _utc(segment: OemSegment, elapsed_s: float) -> datetime:
    return utc_of(tai_us(segment.start) + round(elapsed_s * 1e6))


def _painted(parts: list[OemSegment], new: OemSegment) -> list[OemSegment]:
    """Parts with a new one in its place, over what stood there."""
    kept = [new]
    for old in parts:
        if old.useable_start < new.useable_start:
            kept.append(replace(old, useable_stop=min(old.useable_stop, new.useable_start)))
        if old.useable_stop > new.useable_stop:
            kept.append(replace(old, useable_start=max(old.useable_start, new.useable_stop)))
    return [p for p in kept if p is new or p.useable_stop - p.useable_start >= SHORTEST]


def _between_leaps(part: OemSegment) -> Iterator[OemSegment]:
    edges = [part.useable_start, *leap_instants(part.useable_start, part.useable_stop), part.useable_stop]
    for first, last in pairwise(edges):
        yield replace(part, useable_start=first, useable_stop=last)


def _compare_at_join(before: OemSegment, after: OemSegment) -> None:
    """Warn when positions leap where one part takes over from another."""
    at = after.useable_start
    if before.useable_stop != at or before.frame != after.frame:
        return
    places = [interpolated_km(s, np.array([(at - s.start).total_seconds()]))[0] for s in (before, after)]
    leap_km = float(np.linalg.norm(places[1] - places[0]))
    if leap_km > _LARGEST_LEAP_KM:
        warnings.warn(
            f"ephemeris of '{after.object_name}': at {at:%Y-%m-%dT%H:%M:%SZ} a segment takes over {leap_km:.1f} km "
            "from where the one before it ends; no manoeuvre does that; look at the file",
            ImplausibleInputWarning,
            stacklevel=3,
        )


def gap_words(parts: list[OemSegment], start: datetime, end: datetime) -> str:
    """Where in a period the parts say nothing, as spans of time; empty if nowhere."""
    at, gaps = start, []
    for part in parts:
        if part.useable_start - at >= SHORTEST and part.useable_start < end:
            gaps.append((at, part.useable_start))
        at = max(at, part.useable_stop)
        if at >= end:
            break
    if end - at >= SHORTEST:
        gaps.append((at, end))
    form = "%Y-%m-%dT%H:%M:%SZ"
    return ", ".join(f"{a:{form}} to {b:{form}}" for a, b in gaps)
