"""Epochs of designed orbits that a file leaves out: they take the start of the scenario, once, and are named."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eqci_space.errors import UndatedOrbitWarning
from eqci_space.scenario.space import Epoch
from eqci_space.words import short_list

__all__ = ["UndatedOrbits"]

_EPOCH: TypeAdapter[datetime] = TypeAdapter(Epoch)


class UndatedOrbits:
    """The designed orbits of one file and its overlays that state no epoch, by the start that each has taken."""

    def __init__(self) -> None:
        self._names: dict[datetime, list[str]] = {}

    def date(self, raw: dict[str, Any]) -> None:
        """Write the start of a scenario's raw content into its orbits without epoch.

        Done before an overlay is laid over a scenario, so that an overlay that moves the start leaves them in place.
        """
        try:
            start = _EPOCH.validate_python(raw.get("start"))
        except ValidationError:
            return  # the scenario is refused for its start
        for name, orbit in _undated(raw):
            orbit["epoch"] = start
            self._names.setdefault(start, []).append(name)

    def warn(self, source: str) -> None:
        """Warn of each start that orbits of the file `source` have taken."""
        for start, names in self._names.items():
            one = len(names) == 1
            warnings.warn(
                f"{source}: {short_list(names)} {'has a designed orbit' if one else 'have designed orbits'} without "
                f"epoch, which {'restarts' if one else 'restart'} whenever `start` moves; add epoch = "
                f"{start.isoformat().replace('+00:00', 'Z')} beside altitude_km to keep {'it' if one else 'them'}",
                UndatedOrbitWarning,
                stacklevel=3,
            )


def _undated(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, key in (("satellite", "orbit"), ("constellation", "pattern")):
        tables = raw.get(kind)
        for table in tables if isinstance(tables, list) else ():
            orbit = table.get(key) if isinstance(table, dict) else None
            if isinstance(orbit, dict) and orbit.get("kind") == "train":
                orbit = orbit.get("orbit")
            if isinstance(orbit, dict) and "epoch" not in orbit:
                yield f"{kind} '{table.get('name')}'", orbit
