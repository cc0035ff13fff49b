"""Ephemerides of the plan's satellites as CCSDS OEM files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from eqci_space.machine.deprecation import once_first, once_named
from eqci_space.orbits.ephemeris import motion, sample_times
from eqci_space.orbits.oem_io import write_oem_parts
from eqci_space.report.exports.file_names import file_stems
from eqci_space.report.release import Released

__all__ = ["sampled_end", "write_ephemerides"]

_FEWEST_STATES = 8
_LONGEST = pd.Timedelta(days=31)


def sampled_end(released: Released) -> pd.Timestamp:
    """End of the time for which positions are written: the period's, but at most 31 days after its start.

    A year of many satellites would fill gigabytes that no viewer opens.
    """
    return min(released.end, released.start + _LONGEST)


@once_named(folder="directory")
@once_first("directory")
def write_ephemerides(
    released: Released, directory: Path, *, step_s: float = 60.0, frame: str = "EME2000"
) -> list[Path]:
    """Write ``orbit-<satellite>.oem`` for every released trajectory, a state every `step_s` [s].

    The period is covered, or the first month of it (`sampled_end`), as far as the orbit is known: a segment per arc.
    """
    paths = []
    start = released.start.to_pydatetime()
    length_s = (sampled_end(released) - released.start).total_seconds()
    for name, stem in file_stems(released.orbits).items():
        orbit = released.orbits[name]
        shift_s = (start - orbit.start).total_seconds()
        times = sample_times(orbit, start, length_s, step_s, fewest=_FEWEST_STATES)
        paths.append(directory / f"orbit-{stem}.oem")
        write_oem_parts(name, start, [(s, *motion(orbit, s + shift_s)) for s in times], paths[-1], frame=frame)
    return paths
