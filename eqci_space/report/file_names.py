"""File names for things that the scenario names freely."""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["file_stems"]


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """A stem for each name that every file system takes; names that would share one get numbers, in their order.

    Examples
    --------
    >>> file_stems(["SAT 1", "SAT/1", "GRAZ"])
    {'SAT 1': 'SAT-1', 'SAT/1': 'SAT-1-2', 'GRAZ': 'GRAZ'}
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[name] = stem
    return stems
