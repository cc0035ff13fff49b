"""File names for things that the scenario names freely."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

__all__ = ["file_stems"]

_LONGEST_BYTES = 120  # with what is put before and behind, far below the 255 that file systems take
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """A stem for each name that every file system takes; names that would share one get numbers, in their order.

    Examples
    --------
    >>> file_stems(["SAT 1", "SAT/1", "../con"])
    {'SAT 1': 'SAT-1', 'SAT/1': 'SAT-1-2', '../con': 'con-'}
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        plain = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name))
        plain = plain.encode()[:_LONGEST_BYTES].decode(errors="ignore").strip("-.") or "unnamed"
        plain = f"{plain}-" if _RESERVED.fullmatch(plain) else plain
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[name] = stem
    return stems
