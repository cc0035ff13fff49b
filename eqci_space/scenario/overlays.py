"""What-if overlays: parts of scenario files laid over a scenario, each value with the file that it came from.

Tables are merged key by key. Of lists of named tables (demands, satellites, variants, ...) an entry of the same name is
changed and another is added; outages and all other lists are appended or replaced whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from eqci_space.errors import near_matches

__all__ = ["lay_over"]

_NAMED = {
    "satellite": "name", "constellation": "name", "demand": "name", "variant": "name", "handover": "name",
    "uncertainty": "quantity",
}  # fmt: skip
# A new entry has these; one without them means an entry that is not there.
_COMPLETE: dict[str, tuple[set[str], ...]] = {
    "satellite": ({"terminal"}, {"uplink"}), "constellation": ({"pattern"},), "demand": ({"between"},),
    "variant": ({"terminal", "receiver"},), "handover": ({"domains"},), "uncertainty": ({"distribution"},),
}  # fmt: skip


def lay_over(
    base: dict[str, Any],
    overlay: dict[str, Any],
    changed: Callable[[str, Any], None],
    problem: Callable[[str, str], None],
) -> dict[str, Any]:
    """A scenario's raw content with an overlay laid over it; the base stays as it is.

    Parameters
    ----------
    base, overlay : dict
        As read from TOML.
    changed : callable
        Called with path and value of every leaf that the overlay gives; a leaf may be a ``{value, source}`` table.
    problem : callable
        Called with path and message of an entry that changes nothing known and is not complete.
    """
    merged = copy.deepcopy(base)
    for key, value in overlay.items():
        if key in _NAMED and isinstance(value, list):
            merged[key] = _named(key, merged.get(key, []), value, changed, problem)
        elif key == "outage" and isinstance(value, list):
            before = merged.get(key, [])
            merged[key] = [*before, *copy.deepcopy(value)]
            for i, entry in enumerate(value):
                _note(entry, f"{key}.{len(before) + i}", changed)
        else:
            merged[key] = _merged(merged.get(key), value, key, changed)
    return merged


def _merged(base: Any, overlay: Any, path: str, changed: Callable[[str, Any], None]) -> Any:
    if isinstance(base, dict) and isinstance(overlay, dict) and not _is_sourced(overlay):
        out = dict(base)
        for key, value in overlay.items():
            out[key] = _merged(base.get(key), value, f"{path}.{key}", changed)
        return out
    _note(overlay, path, changed)
    return copy.deepcopy(overlay)


def _note(value: Any, path: str, changed: Callable[[str, Any], None]) -> None:
    if isinstance(value, dict) and not _is_sourced(value):
        for key, item in value.items():
            _note(item, f"{path}.{key}", changed)
    else:
        changed(path, value)


def _is_sourced(value: dict[str, Any]) -> bool:
    return set(value) == {"value", "source"}


_AMOUNTS = ("keys_256_per_day", "bit_per_day", "service", "otp_bit_s")
_OTHER_LINK = {"terminal": "uplink", "uplink": "terminal"}


def _named(
    kind: str,
    base: Any,
    overlay: list[Any],
    changed: Callable[[str, Any], None],
    problem: Callable[[str, str], None],
) -> list[Any]:
    merged = list(base) if isinstance(base, list) else []
    place = {name: i for i, entry in enumerate(merged) if (name := _name(entry, kind)) is not None}
    for entry in overlay:
        name = _name(entry, kind)
        if name is not None and name in place:
            old = merged[place[name]]
            gone: set[str] = set()
            if kind == "demand" and set(entry) & set(_AMOUNTS):
                gone = set(_AMOUNTS)
            elif kind in ("satellite", "constellation"):
                gone = {_OTHER_LINK[key] for key in entry if key in _OTHER_LINK}
            old = {key: value for key, value in old.items() if key not in gone}
            merged[place[name]] = _merged(old, entry, f"{kind}.{place[name]}", changed)
        elif isinstance(entry, dict) and any(keys <= entry.keys() for keys in _COMPLETE[kind]):
            merged.append(copy.deepcopy(entry))
            _note(entry, f"{kind}.{len(merged) - 1}", changed)
        else:
            known = near_matches(name or "", place)
            problem(kind, f"no {kind} '{name}' to change; {known}" if name else f"an entry has no name; {known}")
    return merged


def _name(entry: Any, kind: str) -> str | None:
    name = entry.get(_NAMED[kind]) if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None
