"""Cloud cover of Open-Meteo in JSON or CSV: forecasts and reanalyses at one or several places."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from eqci_space.errors import DataError
from eqci_space.weather.content_io import RawWeather, ReadOptions, read_text
from eqci_space.weather.open_meteo_csv_io import csv_answers, is_csv_answer

__all__ = ["located", "read_open_meteo"]

_TOTAL = ("cloud_cover", "cloudcover")
_LAYERS = ("low", "mid", "high")
_BLOCKS = ("hourly", "minutely_15")
_UNITS = {"%": "percent", "fraction": "fraction"}
_NEAR_DEG = 0.25


def read_open_meteo(path: Path, name: str, options: ReadOptions) -> RawWeather:
    """Read the hourly, or else quarter-hourly, cloud cover of an answer of Open-Meteo, for one place or several.

    Raises
    ------
    DataError
        The text is no such answer, a list is shorter than that of times, a value is no number, or a site has no place.
    """
    text = read_text(path, name)
    if text.lstrip()[:1] in ("{", "[") or not is_csv_answer(text):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name}: not valid JSON, perhaps cut short: {error}") from error
    else:
        content = csv_answers(text, name)
    answers = content if isinstance(content, list) else [content]
    if not answers:
        raise DataError(f"{name}: an empty list; expected one answer per location")
    places = [_place(answer, _label(name, answers, i)) for i, answer in enumerate(answers)]
    frames: list[pd.DataFrame] = []
    fields: dict[str, tuple[str, str]] = {}
    offsets = set()
    for site, index in located(places, name, options):
        where = _label(name, answers, index)
        offset_s = _offset_s(answers[index], where, options)
        own, frame = _records(answers[index], where, offset_s, options)
        if frames and own != fields:
            raise DataError(f"{where}: variables and units {own} differ from those of the place before, {fields}")
        fields = own
        frames.append(frame.assign(site=site))
        offsets.add(f"{offset_s / 3600:+g} h" if offset_s else "")
    local = ", ".join(sorted(offsets - {""}))
    notices = [f"{name}: times are local, {local} from UTC, and were turned into UTC"] if local else []
    notices += _members(answers[0], fields["cloud"][0], name) if options.variable is None else []
    return RawWeather(pd.concat(frames), "hourly record", fields, "earth", notices=notices)


def _label(name: str, answers: list[Any], index: int) -> str:
    return name if len(answers) == 1 else f"{name} location {index + 1}"


def _place(answer: Any, where: str) -> tuple[float, float]:
    """Coordinates of the grid point [deg]."""
    if not isinstance(answer, dict):
        raise DataError(f"{where}: a {type(answer).__name__}; expected an object with latitude, longitude and hourly")
    if answer.get("error"):
        raise DataError(f"{where}: the service answered with an error: {answer.get('reason')}; ask it again")
    latitude, longitude = (_number(answer.get(k), f"{where}: {k}") for k in ("latitude", "longitude"))
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 360):
        raise DataError(f"{where}: latitude {latitude:g}, longitude {longitude:g} are of no place")
    return latitude, longitude


def _offset_s(answer: dict[str, Any], where: str, options: ReadOptions) -> float:
    """Offset of the local times from UTC [s], east positive."""
    stated = answer.get("utc_offset_seconds")
    if stated is None:
        if options.utc_offset_h is None:
            raise DataError(f"{where}: utc_offset_seconds is missing; state utc_offset_h")
        return options.utc_offset_h * 3600
    offset_s = _number(stated, f"{where}: utc_offset_seconds")
    if not abs(offset_s) <= 15 * 3600:
        raise DataError(f"{where}: utc_offset_seconds {offset_s:g}; expected at most 15 h either way")
    if options.utc_offset_h is not None and options.utc_offset_h * 3600 != offset_s:
        raise DataError(f"{where}: utc_offset_seconds {offset_s:g} contradicts utc_offset_h {options.utc_offset_h:g}")
    return offset_s


def _records(
    answer: dict[str, Any], where: str, offset_s: float, options: ReadOptions
) -> tuple[dict[str, tuple[str, str]], pd.DataFrame]:
    """Fields and rows of one place."""
    block = _block(answer, where, options)
    series, units = answer[block], answer[f"{block}_units"]
    times = series.get("time")
    if not isinstance(times, list) or not times:
        raise DataError(f"{where}: {block}.time is no list of times")
    fields, columns = {}, {}
    for part, variable in _variables(series, where, options, block).items():
        fields[part] = (variable, _unit(units.get(variable), f"{where}: {block}_units.{variable}", options))
        columns[part] = _values(series[variable], len(times), f"{where}: {block}.{variable}")
    if "visibility" in series:
        if units.get("visibility") != "m":
            raise DataError(f"{where}: visibility has unit {units.get('visibility')!r}; expected 'm'")
        columns["visibility_m"] = _values(series["visibility"], len(times), f"{where}: {block}.visibility")
    unix = units.get("time") == "unixtime"
    stamps = [_time(t, f"{where}: {block}.time[{i}]", offset_s, unix) for i, t in enumerate(times)]
    return fields, pd.DataFrame({"record": range(len(times)), "time": stamps, **columns})


def _block(answer: dict[str, Any], where: str, options: ReadOptions) -> str:
    """Hourly values, unless only quarter-hourly ones have the total cover."""
    whole = [b for b in _BLOCKS if all(isinstance(answer.get(k), dict) for k in (b, f"{b}_units"))]
    if not whole:
        daily = "; means of days are smeared, away from clear and overcast" if "daily" in answer else ""
        raise DataError(f"{where}: hourly or hourly_units is missing; ask for hourly=cloud_cover{daily}")
    wanted = _wanted(options)
    return next((b for b in whole if any(v in answer[b] for v in wanted)), whole[0])


def _wanted(options: ReadOptions) -> tuple[str, ...]:
    return (options.variable,) if options.variable is not None else _TOTAL


def _members(answer: dict[str, Any], total: str, name: str) -> list[str]:
    """A word on the members of an ensemble beside its control run, which is taken."""
    stem = next((x for x in _TOTAL if total.startswith(x)), total)
    form = re.compile(rf"{re.escape(stem)}_member[0-9]+{re.escape(total[len(stem) :])}")
    block: dict[str, Any] = next(
        (answer[b] for b in _BLOCKS if isinstance(answer.get(b), dict) and total in answer[b]), {}
    )
    members = sorted(v for v in block if isinstance(v, str) and form.fullmatch(v))
    if not members:
        return []
    shown = members[0] if len(members) == 1 else f"{members[0]} to {members[-1]}"
    return [
        f"{name}: {total} is the control run of an ensemble, whose {len(members)} members {shown} were not used; "
        f"variable = '{members[0]}' chooses one of them, variable = '{total}' the control run"
    ]


def _variables(series: dict[str, Any], where: str, options: ReadOptions, block: str) -> dict[str, str]:
    """Names of total and layers; a model's name may stand behind them, as in cloud_cover_low_icon_eu."""
    wanted = _wanted(options)
    total = next((v for v in wanted if v in series), None)
    if total is None:
        present = ", ".join(sorted(map(str, series))[:12])
        raise DataError(f"{where}: {block} has no {' or '.join(wanted)}; found {present}; choose by variable=")
    found = {"cloud": total}
    for stem in _TOTAL:
        if total.startswith(stem):
            layers = {layer: total.replace(stem, f"{stem}_{layer}", 1) for layer in _LAYERS}
            found |= {layer: v for layer, v in layers.items() if v in series}
    return found


def _unit(stated: object, where: str, options: ReadOptions) -> str:
    unit = options.unit or (_UNITS.get(stated) if isinstance(stated, str) else None)
    if unit is None:
        raise DataError(f"{where} is {stated!r}; expected '%'; say unit='percent' or 'fraction'")
    return unit


def _values(values: Any, count: int, where: str) -> list[float]:
    """Numbers; null is unknown."""
    if not isinstance(values, list) or len(values) != count:
        length = f"{len(values)} values" if isinstance(values, list) else "no list"
        raise DataError(f"{where}: {length}; expected {count}, one per time")
    return [math.nan if v is None else _number(v, f"{where}[{i}]") for i, v in enumerate(values)]


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where} is {str(value)[:40]!r}; expected a number")
    return number


def _time(value: Any, where: str, offset_s: float, unix: bool) -> datetime:
    """A time in UTC: seconds since 1970, or local text without offset."""
    try:
        if unix:
            return datetime.fromtimestamp(_number(value, where), UTC)
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=timezone(timedelta(seconds=offset_s)))).astimezone(UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise DataError(
            f"{where} is {str(value)[:40]!r}; expected {'seconds' if unix else 'an ISO 8601 time'}"
        ) from error


def located(places: list[tuple[float, float]], name: str, options: ReadOptions) -> list[tuple[str, int]]:
    """Site names and the index of the place that each has in the file.

    Without `sites`, a place is called by its coordinates. A site takes the nearest place within 0.25 deg, which is how
    far the grid points of forecast services lie from what was asked for.

    Raises
    ------
    DataError
        A site has no place, or two places have the same coordinates.
    """
    if options.sites is None:
        names = [f"{latitude:.4f},{longitude:.4f}" for latitude, longitude in places]
        most, times = Counter(names).most_common(1)[0]
        if times > 1:
            raise DataError(f"{name}: location {most} stands {times} times; remove the others, or name sites")
        return [(n, i) for i, n in enumerate(names)]
    found = []
    for site, (latitude, longitude) in options.sites.items():
        off = [max(abs(a - latitude), abs((b - longitude + 180) % 360 - 180)) for a, b in places]
        best = min(range(len(off)), key=off.__getitem__)
        if not off[best] <= _NEAR_DEG:
            raise DataError(
                f"{name}: site '{site}' at {latitude:g}, {longitude:g} is {off[best]:.2f} deg from the nearest place "
                f"of the file, {places[best][0]:g}, {places[best][1]:g}; expected at most {_NEAR_DEG} deg"
            )
        found.append((site, best))
    return found
