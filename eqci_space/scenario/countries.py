"""Countries by their codes of ISO 3166-1 alpha-2, the only spelling in which they are compared."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from eqci_space.errors import close_names

__all__ = ["country_names", "country_problem"]

_OTHER_SPELLINGS = {"EL": "GR", "UK": "GB"}
"""Of the European Union's own rules of style."""
_USER_ASSIGNED = {"XK": "Kosovo"}
"""In general use, and of no meaning in the standard itself."""
_SHORTEST_NAME = 4


@cache
def country_names() -> dict[str, str]:
    """English names by code, of the table that the time zone database keeps, and Kosovo."""
    text = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return {code: name for code, name, *_ in rows} | _USER_ASSIGNED


def country_problem(text: str) -> str:
    """What is wrong with the code of a country, and which is meant; empty if it is one.

    Examples
    --------
    >>> country_problem("IT")
    ''
    >>> country_problem("ch")
    "'ch' is no country of ISO 3166; write 'CH' (Switzerland)"
    >>> country_problem("EL")
    "'EL' is no country of ISO 3166; write 'GR' (Greece)"
    """
    names = country_names()
    if text in names:
        return ""
    meant, is_sure = _meant(text.strip())
    remedy = f"write '{meant}' ({names[meant]})" if is_sure else "write its two letters, such as DE for Germany"
    if meant and not is_sure:
        remedy = f"did you mean '{meant}' ({names[meant]})?"
    return f"'{text[:40]}' is no country of ISO 3166; {remedy}"


def _meant(text: str) -> tuple[str, bool]:
    """The code that another spelling stands for, and whether that is sure; empty if none does."""
    names = country_names()
    code = _OTHER_SPELLINGS.get(text.upper(), text.upper())
    if code in names:
        return code, True
    codes = {name.casefold(): code for code, name in names.items()}
    close = close_names(text.casefold(), codes)[:1] if len(text) >= _SHORTEST_NAME else []
    return (codes[close[0]], close[0] == text.casefold()) if close else ("", False)
