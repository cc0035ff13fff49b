"""Pages made from the code when the documentation is built, so that they cannot grow old.

A page that holds the line ``GENERATED: name`` gets the text of that name in its place: the commands, the keys of
scenario files, or the modules of a room. Notebooks are copied beside the tutorials.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import shutil
import types
import typing
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import eqci_space

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_PLACE = re.compile(r"^(?:\.\. )?GENERATED: (.+)$", re.MULTILINE)
_ROOT = Path(__file__).parents[2]


def commands() -> str:
    """Every command with its arguments and options, as Markdown."""
    import typer

    from eqci_space.cli import app

    return "\n".join(_group_lines("eqci", typer.main.get_command(app)))


def _group_lines(prefix: str, group: Any) -> list[str]:
    lines = []
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            lines += _group_lines(f"{prefix} {name}", command)
            continue
        lines += [f"## {prefix} {name}", "", " ".join((command.help or "").split()), ""]
        if command.params:
            lines += ["| | |", "| --- | --- |", *(f"| {_call(p)} | {_explained(p)} |" for p in command.params), ""]
    return lines


def _call(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.name.upper()}`"
    value = "" if getattr(parameter, "is_flag", False) else " …"
    return ", ".join(f"`{name}{value}`" for name in [*parameter.opts, *parameter.secondary_opts])


def _explained(parameter: Any) -> str:
    text = getattr(parameter, "help", None) or ""
    if parameter.required and parameter.param_type_name == "option":
        text += " Required."
    if not parameter.required and parameter.default not in (None, False, (), []):
        text += f" Default {parameter.default}."
    return text.replace("|", "\\|").strip()


def scenario_keys() -> str:
    """Every key of scenario files with type, range, and default, as Markdown, one section a table."""
    from eqci_space.scenario import Scenario

    seen: list[type] = []
    lines: list[str] = []
    waiting: list[tuple[str, type]] = [("(top level)", Scenario)]
    while waiting:
        place, record = waiting.pop(0)
        if record in seen:
            continue
        seen.append(record)
        lines += ["", f"## {record.__name__}", "", _summary(record), "", f"Stands at: `{place}`", ""]
        lines += ["| key | values | default |", "| --- | --- | --- |"]
        for name, field in record.model_fields.items():  # type: ignore[attr-defined]
            if field.exclude:
                continue
            key = field.alias or name
            lines.append(f"| `{key}` | {_values(field)} | {_default(field)} |")
            waiting += [(_deeper(place, key), inner) for inner in _records_in(field.annotation)]
    return "\n".join(lines).replace("`(top level)`", "the top level of the file")


def _deeper(place: str, key: str) -> str:
    return key if place == "(top level)" else f"{place}.{key}"


def _summary(record: type) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", " ".join((record.__doc__ or "").split()))


def _records_in(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _records_in(inner)


def _values(field: Any) -> str:
    text = " ".join(t for t in (_type_text(field.annotation), _limits(field.metadata)) if t)
    return (f"{text}: {field.description}" if field.description else text).replace("|", "\\|")


_PLAIN = {
    float: "number", int: "whole number", str: "text", bool: "true or false", type(None): "",
    datetime: "time with zone",
}  # fmt: skip


def _type_text(annotation: Any) -> str:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is typing.Annotated:
        return " ".join(
            t for t in (_type_text(inner[0]), *(_limits(getattr(m, "metadata", [m])) for m in inner[1:])) if t
        )
    if origin in (typing.Union, types.UnionType):
        return " or ".join(t for t in map(_type_text, inner) if t)
    if origin is tuple and Ellipsis not in inner:
        return f"[{', '.join(_type_text(t) for t in inner)}]"
    if origin is tuple:
        return f"list of {_type_text(inner[0])}"
    if origin is dict:
        return f"table by name of {_type_text(inner[1])}"
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


def _limits(metadata: Sequence[Any]) -> str:
    """The range of a value in words and signs."""
    parts = []
    for item in metadata:
        for sign, mark in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
            if isinstance(getattr(item, sign, None), int | float):
                number = getattr(item, sign)
                parts.append(
                    f"{mark} {number}" if 1e5 < number < 1e12 and number == int(number) else f"{mark} {number:g}"
                )
    return ", ".join(parts)


def _default(field: Any) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, ""):
        return ""
    if hasattr(type(value), "model_fields"):
        return "its own defaults"
    return f"`{value}`" if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def room(name: str) -> str:
    """All modules of a package as reStructuredText, or of the floor beside the packages for ``.``."""
    prefix = "eqci_space." if name == "." else f"eqci_space.{name}."
    path = eqci_space.__path__ if name == "." else importlib.import_module(f"eqci_space.{name}").__path__
    blocks = []
    for info in sorted(pkgutil.iter_modules(path, prefix), key=lambda m: m.name):
        if info.ispkg:
            continue
        blocks += [info.name, "~" * len(info.name), "", f".. automodule:: {info.name}", ""]
    return "\n".join(blocks)


def public_names() -> str:
    """The names of ``import eqci_space as eq`` with their first line, as Markdown."""
    lines = ["| name | what |", "| --- | --- |"]
    for name, module in sorted(eqci_space._PUBLIC.items(), key=lambda item: item[0].lower()):
        value = getattr(eqci_space, name)
        role, target = ("mod", module) if isinstance(value, types.ModuleType) else ("obj", f"{module}.{name}")
        first = " ".join((value.__doc__ or "").strip().split("\n\n")[0].split())
        lines.append(f"| {{py:{role}}}`eq.{name} <{target}>` | {first.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _text(name: str) -> str:
    kind, _, argument = name.partition(" ")
    makers = {"commands": commands, "scenario": scenario_keys, "names": public_names}
    return makers[kind]() if kind in makers else room(argument)


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = _PLACE.sub(lambda match: _text(match.group(1).strip()), source[0])


def _copy_notebooks(app: Sphinx, config: object) -> None:
    for book in sorted((_ROOT / "notebooks").glob("*.ipynb")):
        copy = Path(app.confdir) / "tutorials" / book.name
        if not copy.exists() or copy.read_bytes() != book.read_bytes():
            shutil.copyfile(book, copy)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register both events."""
    app.connect("config-inited", _copy_notebooks)
    app.connect("source-read", _fill)
    return {"version": "1", "parallel_read_safe": True}
