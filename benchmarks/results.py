"""Numbers of a benchmark run as a file, and two of them side by side."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["compared", "read_results", "write_results"]

_ABOUT = ("size", "version", "python", "machine")


def write_results(file: Path, results: dict) -> None:
    """Results by benchmark, and what they were made with under ``about``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def read_results(file: Path) -> dict:
    """What `write_results` wrote.

    Raises
    ------
    ValueError
        It is something else.
    """
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
        rows = [row for name, some in results.items() if name != "about" for row in some]
        sound = set(_ABOUT) <= set(results["about"]) and all({"what", "value", "unit"} <= set(r) for r in rows)
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise ValueError(f"'{file}' holds no results; write some with --json")
    return results


def compared(old: dict, new: dict) -> list[str]:
    """Lines of a table: every number of either, and new over old; what only one has is told.

    Seconds of two machines, or of one that others use, differ for reasons of their own: look at ratios first.
    """
    lines = [f"{a}: {old['about'][a]} -> {new['about'][a]}" for a in _ABOUT if old["about"][a] != new["about"][a]]
    for name in dict.fromkeys([*old, *new]):
        if name == "about":
            continue
        before, after = ({r["what"]: r for r in results.get(name, [])} for results in (old, new))
        lines += ["", f"{name:<70}  {'old':>12}  {'new':>12}  {'new/old':>8}"]
        for what in dict.fromkeys([*before, *after]):
            a, b = (rows.get(what, {}).get("value") for rows in (before, after))
            ratio = f"{b / a:8.3f}" if a and b is not None else f"{'':>8}"
            unit = (before.get(what) or after[what])["unit"]
            lines.append(f"  {what:<68}  {_shown(a):>12}  {_shown(b):>12}  {ratio} {unit}".rstrip())
    return lines


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
