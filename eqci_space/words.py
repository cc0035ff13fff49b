"""Results in words for people: amounts of key, shares, whole seconds, and HTML tables in which every text is escaped.

Titles of columns say by their first letter what stands below: ``>`` numbers, ``=`` text on one line, ``~`` long ids
that may break anywhere.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

__all__ = [
    "SERVED_IN_FULL",
    "format_bits",
    "html_summary",
    "html_table",
    "percent",
    "short_list",
    "such_periods",
    "whole_seconds",
]

SERVED_IN_FULL = 0.9995
"""Share of what a demand asks for from which it is said to be served in full: what rounds to 100.0 %."""

_STYLES = {">": "n", "=": "k", "~": "w"}
_LOOK = (
    ".eqci-space table{border-collapse:collapse;margin:.4em 0}"
    ".eqci-space th,.eqci-space td{text-align:left;vertical-align:top;padding:.2em .6em;max-width:32em;"
    "overflow-wrap:break-word}.eqci-space caption{text-align:left;caption-side:top;opacity:.75;padding:.2em 0}"
    ".eqci-space .n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}"
    ".eqci-space .k{white-space:nowrap}.eqci-space .w{overflow-wrap:anywhere}"
)


def format_bits(bit: float) -> str:
    """Amount with three digits and a decimal prefix, such as ``7.02 Mbit``."""
    for factor, unit in ((1e9, "Gbit"), (1e6, "Mbit"), (1e3, "kbit")):
        if abs(bit) >= factor:
            return f"{bit / factor:.3g} {unit}" if abs(bit) < 999.5 * factor else f"{bit / factor:.0f} {unit}"
    text = f"{bit:.0f}"
    return f"{'0' if text == '-0' else text} bit"


def percent(share: float, digits: int = 0) -> str:
    """A share in percent, such as ``25 %``."""
    return f"{100 * share:.{digits}f} %"


def such_periods(start: datetime, end: datetime) -> str:
    """What sampled worlds of a period are called: ``weeks`` for seven days, and ``periods`` where no word fits."""
    days = (end - start).total_seconds() / 86_400
    words = {"days": (1, 1), "weeks": (7, 7), "months": (28, 31), "years": (365, 366)}
    return next((word for word, (least, most) in words.items() if least <= days <= most), "periods")


def whole_seconds(start: Any, end: Any) -> tuple[Any, Any]:
    """An interval in whole seconds as every file and table shows it: its start rounded down, its end rounded up.

    What is shown holds what was planned, so nobody stops before the last pulse, and is less than a second longer at
    each end; a pause between two contacts is less than two seconds shorter than planned. Bookings and hand-overs fall
    on whole seconds, so contacts beside them stay apart even without a pause. A single instant counts as a start; the
    time from which something may be used counts as an end, so that it is not promised too early.

    Parameters
    ----------
    start, end : Timestamp, DatetimeIndex or Series of times
        Missing ones stay missing.

    Examples
    --------
    >>> import pandas as pd
    >>> shown = whole_seconds(pd.Timestamp("2027-03-01 20:05:08.6"), pd.Timestamp("2027-03-01 20:10:00.2"))
    >>> [f"{t:%H:%M:%S}" for t in shown]
    ['20:05:08', '20:10:01']
    """
    first, last = (getattr(times, "dt", times) for times in (start, end))
    return first.floor("s"), last.ceil("s")


def joined(ogs: str, ogs_b: str = "") -> str:
    """Station of a contact in words, or both of a dual downlink.

    Examples
    --------
    >>> joined("GRAZ"), joined("GRAZ", "PQSAT")
    ('GRAZ', 'GRAZ + PQSAT')
    """
    return f"{ogs} + {ogs_b}" if ogs_b else str(ogs)


def short_list(names: Sequence[str], most: int = 5) -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> short_list(["Graz", "Ondrejov", "Trauen"], most=2)
    'Graz, Ondrejov and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def html_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of text; cells carry the class of their column (n, k, w or none).

    Examples
    --------
    >>> html_table("Keys", ["who", ">bit"], [["A & B", "7"]]).splitlines()[-2]
    '<tr><td>A &amp; B</td><td class="n">7</td></tr>'
    """
    styles = [_STYLES.get(title[:1], "") for title in head]
    titles = [title[1:] if style else title for title, style in zip(head, styles, strict=True)]
    classes = [f' class="{style}"' if style else "" for style in styles]
    cells = "".join(f'<th scope="col"{c}>{_text(t)}</th>' for t, c in zip(titles, classes, strict=True))
    lines = [f"<table>\n<caption>{_text(caption)}</caption>\n<thead><tr>{cells}</tr></thead>\n<tbody>"]
    for row in rows:
        cells = "".join(f"<td{c}>{_text(cell)}</td>" for cell, c in zip(row, classes, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    return "\n".join([*lines, "</tbody></table>"])


def html_summary(title: str, facts: Mapping[str, str], tables: Sequence[str] = ()) -> str:
    """What a notebook shows of a result: its name, facts in lines, and tables of `html_table`."""
    lines = "<br>\n".join(f"{_text(name)}: {_text(value)}" for name, value in facts.items())
    body = "\n".join([f"<p><strong>{_text(title)}</strong></p>", f"<p>{lines}</p>", *tables])
    return f'<div class="eqci-space"><style>{_LOOK}</style>\n{body}\n</div>'


def _text(value: str) -> str:
    return html.escape(value)
