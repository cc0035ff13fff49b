"""What a published figure says about the model's value, in one word and a reason; and how many of them it reproduces.

A tolerance is two-sided (``35 %``, ``factor 2``, ``within 0.7`` in the figure's unit) or a bound on the model's value
(``at least``, ``at most``, ``above``). Only two-sided ones of a factor 2 or less are counted, and of these neither
figures that are recalled nor those that the model was made from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["GRADES", "KINDS", "WORDS", "Verdict", "count_lines", "gap", "judge", "kept", "largest_factor"]

WORDS = ("reproduced", "missed", "gap", "bound respected", "bound violated", "unverified")
GRADES = ("stated", "recalled", "own")
KINDS = ("counted", "order", "bound", "recalled", "own", "gap")
BOUNDS = {"at least": lambda value, limit: value >= limit, "at most": lambda value, limit: value <= limit,
          "above": lambda value, limit: value > limit}  # fmt: skip
LARGEST_COUNTED = 2.0


@dataclass(frozen=True)
class Verdict:
    """One of `WORDS`, whether the value keeps the tolerance, what kind of row it is, and what the page prints."""

    word: str
    good: bool
    kind: str
    text: str


def gap(reason: str) -> Verdict:
    """A figure that the model cannot be held against."""
    return Verdict("gap", False, "gap", f"gap: {reason}")


def kept(published: float, value: float, tolerance: str) -> bool:
    """Whether a value keeps a tolerance."""
    if tolerance in BOUNDS:
        return bool(BOUNDS[tolerance](value, published))
    kind, size = _two_sided(tolerance)
    if kind == "factor":
        return published / size <= value <= published * size
    return abs(value - published) <= (size * abs(published) if kind == "%" else size)


def largest_factor(published: float, tolerance: str) -> float:
    """The largest factor above the published figure that a two-sided tolerance allows."""
    kind, size = _two_sided(tolerance)
    return {"factor": size, "%": 1 + size, "within": 1 + size / abs(published)}[kind]


def _two_sided(tolerance: str) -> tuple[str, float]:
    first, _, last = tolerance.partition(" ")
    if last == "%":
        return "%", float(first) / 100
    if first in ("factor", "within"):
        return first, float(last)
    raise ValueError(f"tolerance '{tolerance}'; expected 'N %', 'factor N', 'within N' or one of {', '.join(BOUNDS)}")


def judge(
    published: float, value: float, tolerance: str, *, unit: str = "", grade: str = "stated", why: str = ""
) -> Verdict:
    """The verdict on a value; `why` says what a miss rests on, or what a hit does not prove."""
    if grade not in GRADES:
        raise ValueError(f"grade '{grade}'; expected one of {', '.join(GRADES)}")
    good, because = kept(published, value, tolerance), f": {why}" if why else ""
    if grade == "recalled":
        place = "inside" if good else "outside"
        return Verdict("unverified", good, "recalled", f"unverified ({place} the tolerance, {tolerance}){because}")
    if tolerance in BOUNDS:
        word = "bound respected" if good else "bound violated"
        return Verdict(word, good, "bound", word + because)
    kind = "counted" if largest_factor(published, tolerance) <= LARGEST_COUNTED else "order"
    if grade == "own":
        kind, because = "own", ", no test: the model was made from it"
    elif kind == "order":
        because = f" (an order: {tolerance})" + because
    if good:
        return Verdict("reproduced", True, kind, "reproduced" + because)
    off = f"{value - published:+.2g} {unit}" if unit in ("dB", "%") else f"{value / published:.2f} of it"
    return Verdict("missed", False, kind, f"missed ({off}; tolerance {tolerance}){because}")


def count_lines(tables: dict[str, Iterable[Verdict]]) -> list[str]:
    """The count at the end of the page: a line per table, their sum, and the share in words."""
    lines = [
        "| table | counted | reproduced | orders | bounds respected | unverified, inside | made from it | gaps |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    whole: Counter[tuple[str, bool]] = Counter()
    for name, verdicts in tables.items():
        mine = Counter((v.kind, v.good) for v in verdicts)
        whole.update(mine)
        lines.append(f"| {name} | {_cells(mine)} |")
    hits, rows = whole["counted", True], whole["counted", True] + whole["counted", False]
    share = f", {100 * hits / rows:.0f} %" if rows else ""
    return [*lines, f"| all | {_cells(whole)} |", "", f"**Reproduced: {hits} of {rows}{share}.**"]


def _cells(tally: Counter[tuple[str, bool]]) -> str:
    def of(kind: str) -> str:
        good, rows = tally[kind, True], tally[kind, True] + tally[kind, False]
        return f"{good} of {rows}" if rows else ""

    counted = tally["counted", True] + tally["counted", False]
    cells = [str(counted), str(tally["counted", True]), of("order"), of("bound"), of("recalled"), of("own")]
    return " | ".join([*cells, str(tally["gap", False])])
