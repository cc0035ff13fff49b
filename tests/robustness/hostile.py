"""Hostile input for the tests of this folder: values, trees, mutations, and an ear for the files that are opened."""

import copy
import random
import sys
import sysconfig
import tomllib
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from itertools import pairwise
from pathlib import Path

from hypothesis import settings

from eqci_space.data import data_path, data_root
from eqci_space.errors import EqciError
from eqci_space.scenario import load_scenario

FUZZ = settings(max_examples=120, deadline=None, database=None, derandomize=True)
SHIPPED = data_path("scenarios", "quant-gpicz.toml").read_text(encoding="utf-8")
TREE = tomllib.loads(SHIPPED)
# Paths, markup, formulas, separators, invisible and turning characters, device names, and very long words.
TEXTS = [
    "", " ", "x" * 9_000, "x" * 11_000, "a\x00b", "\x1b[31m", "\x7f", "\x85", "a\nb", "\u202egnp.exe", "\u200fא",
    "\u2028", "👩‍🚀", "é", "e\u0301", "量子" * 60, "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "a&amp;b", "{{7*7}}", "{0}", "%s%n", "=1+1", "../../../etc/passwd", "../x/", "..", ".", "./", "/", "/etc/passwd",
    "/proc/self/", "/dev/zero", "C:\\x", "..\\..\\x", "~/x", "a/b", "a|b", "con", "NUL.txt", "a.csv", "../a.csv",
    "net/nodes.csv", "-1", "nan", "inf", "1e999", "2027-03-01T00:00:00Z",
]  # fmt: skip
VALUES = [
    *TEXTS, 0, -1, 1, 10**30, -(10**30), 2**63, 1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"), True,
    False, [], {}, [[]], [{}], {"value": 1, "source": "x"}, {"value": {}, "source": []}, datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 3, 1), date(2027, 3, 1), time(3), [1, 2], ["a", "a"],  # noqa: DTZ001
    [0.1, 0.2], [["a"]], {"kind": "circular"}, {"": ""}, {"a": {"b": {}}},
]  # fmt: skip
_MORE_PLACES = [
    ("satellite", 0, "elements"), ("satellite", 0, "ephemeris"), ("satellite", 0, "nation"), ("weather", "file"),
    ("satellite", 0, "object_name"), ("station", "PQSAT", "horizon_mask"), ("station", "PQSAT", "maintenance"),
    ("station", "PQSAT", "receiver"), ("station", "", "name"), ("station", "a/b", "name"), ("stations", "catalogue"),
    ("stations", "countries"), ("stations", "status_class"), ("stations", "unconnected"), ("constellation",),
    ("handover",), ("outage",), ("booking",), ("link",), ("stock",), ("satellite_quota",), ("file",), ("sources",),
    ("inputs",),
]  # fmt: skip


def outcome(call, *arguments, **options):
    """What a call gives and an empty message, or None and that of its `EqciError`; others fail the test."""
    try:
        return call(*arguments, **options), ""
    except EqciError as error:
        return None, str(error)


def is_clear(message):
    """Whether a message can be shown in a terminal: not empty, not endless, nothing in it that steers the terminal."""
    steering = {*map(chr, range(32)), *map(chr, range(127, 160)), *"\u2028\u2029\u202a\u202b\u202d\u202e\u2066\u2067"}
    return 0 < len(message) < 50_000 and not set(message) & (steering - {"\n", "\t"})


# ---------------------------------------------------------------- files that are opened

_LISTENERS = []
_LIBRARIES = tuple(str(Path(p).resolve()) for p in {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})
_OURS = (str(data_root()), str(Path(__file__).resolve().parents[2] / "eqci_space"))


def _heard(event, arguments):
    if event == "open" and _LISTENERS and isinstance(arguments[0], str):
        _LISTENERS[-1].append(arguments[0])


sys.addaudithook(_heard)


@contextmanager
def reads_only(folder):
    """Fails when a file is opened meanwhile that lies outside `folder`, the data, and Python with its packages."""
    heard = []
    _LISTENERS.append(heard)
    try:
        yield
    finally:
        _LISTENERS.remove(heard)
    allowed = (*_LIBRARIES, *_OURS, str(Path(folder).resolve()))
    stray = [name for name in heard if not str(Path(name).resolve()).startswith(allowed)]
    assert not stray, f"read outside {folder}: {stray}"


def loads_or_refuses(path, **options):
    """A scenario, or a clear refusal; no file outside its folder is opened."""
    with reads_only(Path(path).parent):
        scenario, message = outcome(load_scenario, path, **options)
    assert scenario is not None or is_clear(message), message[:2000]
    return scenario


# ---------------------------------------------------------------- TOML trees


def toml_text(tree):
    """A tree of dictionaries, lists and scalars as TOML, each top-level key in one line."""
    return "".join(f"{_quoted(key)} = {_value(value)}\n" for key, value in tree.items())


def _quoted(text):
    shown = (f"\\{c}" if c in '"\\' else c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)
    return '"' + "".join(shown) + '"'


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    return value.isoformat() if hasattr(value, "isoformat") else repr(value)


def places(tree, path=()):
    """Every place of a tree, as a path of keys and numbers."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


PLACES = [*places(TREE), *_MORE_PLACES]


def changed(tree, path, value=None, *, lost=False):
    """A copy of a tree with another value at a place, or without that place; what leads there is made."""
    new = copy.deepcopy(tree)
    inside = new
    for key, following in pairwise(path):
        inside = inside.setdefault(key, {}) if isinstance(inside, dict) else inside[key]
        if isinstance(inside, dict) and not isinstance(following, str):
            raise LookupError(f"a table stands where the list of {path} was")
    if lost:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return new


def mutated_tree(seed):
    """The shipped scenario with one to three values changed or lost; the same for a seed."""
    draw, tree = random.Random(seed), TREE
    for _ in range(draw.randint(1, 3)):
        path = draw.choice(PLACES)
        try:
            tree = changed(tree, path, draw.choice(VALUES), lost=draw.random() < 0.15)
        except (LookupError, TypeError):
            continue  # an earlier change took this place away
    return tree


# ---------------------------------------------------------------- bytes


def mutated_bytes(content, seed):
    """One to six changed, set or lost bytes, half of them near the end, now and then a cut; the same for a seed."""
    draw, content = random.Random(seed), bytearray(content)
    for _ in range(draw.randint(1, 6)):
        kind, size = draw.randrange(12), max(1, len(content))
        at = draw.randrange(size) if draw.random() < 0.5 else max(0, len(content) - 1 - draw.randrange(min(size, 3000)))
        if kind < 6:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif kind < 11:
            content[at : at + 4] = bytes(draw.choice((0, 255)) for _ in range(draw.choice((1, 4))))
        else:
            content = content[:at]
    return bytes(content)


def mutated_text(text, seed):
    """A text with one to four words, lines or characters changed; the same for a seed."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 4)):
        kind, at, lines = draw.randrange(6), draw.randrange(len(text) + 1), text.split("\n")
        i = draw.randrange(len(lines))
        if kind <= 1:
            word = draw.choice([*TEXTS, ",", '"', "\r", "\t", "#", "'"])
            text = text[:at] + word + text[at + draw.choice((0, 1, 5)) :]
        elif kind == 2:
            text = text[:at] if draw.random() < 0.3 else text
        elif kind == 3:
            text = "\n".join((*lines[:i], *([lines[i]] * draw.choice((0, 2))), *lines[i + 1 :]))
        else:
            words = lines[i].split(",")
            words[draw.randrange(len(words))] = draw.choice(TEXTS)
            text = "\n".join((*lines[:i], ",".join(words), *lines[i + 1 :]))
    return text
