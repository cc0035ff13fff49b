"""What to say of what validation found: paths as the file has them, one sentence a finding."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from eqci_space.errors import near_matches
from eqci_space.scenario.ground import Station
from eqci_space.scenario.model import Scenario

__all__ = ["already_said", "explained", "finding_path"]

_UNION_TAGS = ("circular", "sun_synchronous", "walker_delta", "walker_star", "train")


def finding_path(item: Any) -> str:
    """Place in the file: the names of the alternatives that a tagged union tried stand in no file."""
    return ".".join(str(step) for step in item["loc"] if step not in _UNION_TAGS)


def already_said(problem_path: str, loc: tuple[int | str, ...]) -> bool:
    """Whether a problem noted before is about the key at a place."""
    last = str(loc[-1]) if loc else ""
    return problem_path.split(".")[-1] == last


def explained(item: Any, model: type[BaseModel] = Scenario) -> str:
    """One sentence for one pydantic finding, with near matches for an unknown key."""
    if item["type"] == "extra_forbidden":
        fields = _fields_at(model, item["loc"][:-1])
        return f"unknown key; {near_matches(str(item['loc'][-1]), fields)}"
    if item["type"] == "missing":
        return "is missing; add it"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    got = "" if isinstance(item["input"], dict | list) else f" (got {item['input']!r})"
    return item["msg"][0].lower() + item["msg"][1:] + got


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """File keys that are allowed at a place of the scenario."""
    for step in loc:
        if isinstance(step, int):
            continue
        if model is Scenario and step == "station":
            model = Station
            continue
        for field_name, field in model.model_fields.items():
            if (field.alias or field_name) == step:
                nested = _model_in(field.annotation)
                model = nested or model
    return [f.alias or n for n, f in model.model_fields.items() if not f.exclude]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
