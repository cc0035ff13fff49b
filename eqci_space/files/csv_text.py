"""Tables as CSV text that spreadsheets show and do not run: no cell of text begins like a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_text", "plain_cell", "safe_cell"]

_LIKE_A_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?|[+-]?inf")


def safe_cell(value: Any) -> Any:
    """A cell as it may stand in a CSV: text that a spreadsheet would run has an apostrophe before it; numbers stay.

    Examples
    --------
    >>> safe_cell("=1+1"), safe_cell("@now"), safe_cell("-2.5"), safe_cell("GRAZ"), safe_cell(-2.5)
    ("'=1+1", "'@now", '-2.5', 'GRAZ', -2.5)
    """
    if isinstance(value, str) and _LIKE_A_FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def plain_cell(cell: str) -> str:
    """A cell as it was before `safe_cell`.

    Examples
    --------
    >>> plain_cell("'=1+1"), plain_cell("'quoted'")
    ('=1+1', "'quoted'")
    """
    return cell[1:] if cell.startswith("'") and _LIKE_A_FORMULA.match(cell, 1) else cell


def csv_text(table: pd.DataFrame, *, index: bool) -> str:
    """A table as CSV with line feeds, its cells, names and index as `safe_cell` gives them."""
    import pandas as pd

    safe = table.rename(columns=safe_cell).rename_axis(index=[safe_cell(name) for name in table.index.names])
    for position, column in enumerate(table.columns):
        kind = table.dtypes.iloc[position]
        if isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_object_dtype(kind) or kind == "str":
            safe[safe_cell(column)] = [safe_cell(v) for v in table[column]]
    if index and not pd.api.types.is_numeric_dtype(table.index.dtype):
        safe.index = pd.Index([safe_cell(v) for v in table.index], name=safe.index.name)
    text: str = safe.to_csv(lineterminator="\n", index=index)
    return text
