"""Epochs of CCSDS messages in their time systems, on an axis that leap seconds do not tear.

Times are whole microseconds of TAI: every second of them has one length, 23:59:60 has a place of its own, and
differences are true. Calendar axes (`datetime`, "seconds after a start") have days of 86,400 s and leave a leap second
out; `leaps_s` says by how much the two differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import erfa
import numpy as np

from eqci_space.errors import ElementsError
from eqci_space.orbits.omm_io import parse_epoch

__all__ = ["TIME_SYSTEMS", "epochs_tai_us", "leap_instants", "leaps_s", "tai_us", "utc_of"]

_US = 1_000_000
_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
_JD_ORIGIN = 2_440_587.5
_FIRST_WHOLE = datetime(1972, 1, 1, tzinfo=UTC)
_TT_MINUS_TAI_S, _GPS_MINUS_TAI_S, _BEIDOU_MINUS_TAI_S = 32.184, -19.0, -33.0
_AHEAD_OF_TAI_S = {
    "TAI": 0.0, "TT": _TT_MINUS_TAI_S, "TDT": _TT_MINUS_TAI_S, "GPS": _GPS_MINUS_TAI_S, "GST": _GPS_MINUS_TAI_S,
    "BDT": _BEIDOU_MINUS_TAI_S,
}  # fmt: skip
_OF_RELATIVITY = ("TDB", "TCB", "TCG")
TIME_SYSTEMS = ("UTC", *_AHEAD_OF_TAI_S, *_OF_RELATIVITY)
_LEAP = re.compile(r"(T\d\d:\d\d:)60(?=\D|$)")


@lru_cache(maxsize=1)
def _leaps() -> tuple[np.ndarray, np.ndarray]:
    """UTC midnights [µs] from 1972 on at which TAI-UTC changes, and what it is from there on [s]."""
    table = [x for x in erfa.leap_seconds.get() if x["year"] >= _FIRST_WHOLE.year]
    days = [datetime(int(x["year"]), int(x["month"]), 1, tzinfo=UTC) for x in table]
    return np.array([_calendar_us(d) for d in days]), np.array([round(float(x["tai_utc"])) for x in table])


def _calendar_us(time: datetime) -> int:
    return (time - _ORIGIN) // timedelta(microseconds=1)


def tai_us(time: datetime) -> int:
    """TAI [µs] of an aware UTC time.

    The 1st of January 2017 began 37 s after TAI did (IERS Bulletin C 52).

    Raises
    ------
    ElementsError
        It lies before 1972, when UTC had no whole seconds to TAI.
    """
    midnights, offsets = _leaps()
    us = _calendar_us(time)
    if us < midnights[0]:
        raise ElementsError(f"{time:%Y-%m-%dT%H:%M:%SZ} lies before 1972, since when UTC has leap seconds; use a later")
    return us + int(offsets[np.searchsorted(midnights, us, side="right") - 1]) * _US


def utc_of(tai: int) -> datetime:
    """UTC of a TAI [µs]; what lies in a leap second is called the midnight that ends it."""
    midnights, offsets = _leaps()
    k = max(int(np.searchsorted(midnights + offsets * _US, tai, side="right")) - 1, 0)
    us = tai - int(offsets[k]) * _US
    if k + 1 < len(midnights):
        us = min(us, int(midnights[k + 1]))
    return _ORIGIN + timedelta(microseconds=us)


def leap_instants(start: datetime, end: datetime) -> list[datetime]:
    """UTC midnights after `start` and before `end` that a leap second goes before."""
    midnights, _ = _leaps()
    inside = midnights[1:][(midnights[1:] > _calendar_us(start)) & (midnights[1:] < _calendar_us(end))]
    return [_ORIGIN + timedelta(microseconds=int(us)) for us in inside]


def leaps_s(start: datetime, seconds: np.ndarray) -> np.ndarray:
    """Leap seconds between `start` and calendar `seconds` after it: what passed is ``seconds + leaps_s``.

    From noon of 31 December 2016 to the next noon 86,401 s passed; the calendar counts 86,400.
    """
    midnights, offsets = _leaps()
    us = _calendar_us(start) + np.asarray(seconds, dtype=float) * _US
    first, at = (np.maximum(np.searchsorted(midnights, x, side="right") - 1, 0) for x in (_calendar_us(start), us))
    return (offsets[at] - offsets[first]).astype(float)


def epochs_tai_us(texts: Sequence[str], system: str, places: Sequence[str]) -> np.ndarray:
    """TAI [µs] of epochs as a file writes them in one of `TIME_SYSTEMS`.

    TDB is turned into TT by the periodic terms of Fairhead and Bretagnon (1990) as `erfa.dtdb` has them, at the
    geocentre (2 µs); TCB and TCG by the rates of IAU 2006 B3 and 2000 B1.9.

    Parameters
    ----------
    texts, places : sequences of str
        Epochs, and where each stands.
    system : str

    Raises
    ------
    ElementsError
        A text is no time, names a leap second that was none, or lies before 1972.
    """
    found = np.array([_instant_us(t, system, w) for t, w in zip(texts, places, strict=True)], dtype=np.int64)
    if system in _OF_RELATIVITY and len(found):
        jd = _JD_ORIGIN + np.floor(found / (86_400 * _US))
        tt = _terrestrial(system, jd, (found % (86_400 * _US)) / (86_400 * _US))
        ahead_s = ((jd - tt[0]) * 86_400 + (found % (86_400 * _US)) / _US - tt[1] * 86_400) + _TT_MINUS_TAI_S
        found = found - np.round(ahead_s * _US).astype(np.int64)
    early = found < tai_us(_FIRST_WHOLE)
    if early.any():
        k = int(np.argmax(early))
        raise ElementsError(f"{places[k]}: {texts[k]} lies before 1972, since when UTC has leap seconds; use a later")
    return found


def _instant_us(text: str, system: str, where: str) -> int:
    """Microseconds of TAI, or of the system's own axis where relativity comes in."""
    leap = _LEAP.search(text)
    if leap and system == "UTC":
        time = parse_epoch(text[: leap.start()] + leap.group(1) + "59" + text[leap.end() :], where)
        midnight = (time + timedelta(seconds=1)).replace(microsecond=0)
        if _calendar_us(midnight) not in _leaps()[0][1:]:
            raise ElementsError(f"{where}: {text} names a leap second, and UTC had none then; mend the time")
        return tai_us(time) + _US
    time = parse_epoch(text, where)
    if system == "UTC":
        try:
            return tai_us(time)
        except ElementsError as error:
            raise ElementsError(f"{where}: {error}") from error
    return _calendar_us(time) - round(_AHEAD_OF_TAI_S.get(system, 0.0) * _US)


def _terrestrial(system: str, jd: np.ndarray, fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TT of a relativistic time."""
    if system == "TCG":
        return erfa.tcgtt(jd, fraction)
    if system == "TCB":
        jd, fraction = erfa.tcbtdb(jd, fraction)
    return erfa.tdbtt(jd, fraction, erfa.dtdb(jd, fraction, 0.0, 0.0, 0.0, 0.0))
