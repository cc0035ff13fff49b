"""JSON Schema of scenario files, for completion in editors."""

from __future__ import annotations

from typing import Any

from eqci_space.scenario.ground import OWN_RECEIVER_KEYS
from eqci_space.scenario.model import Scenario
from eqci_space.scenario.space import Constellation

__all__ = ["scenario_schema"]


def scenario_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for completion in editors.

    Presets may stand by name, any scalar as ``{value, source}``, and stations of the catalogue need
    no field of their own.
    """
    schema = Scenario.model_json_schema(by_alias=True)
    for key in [name for name, field in Scenario.model_fields.items() if field.exclude]:
        schema["properties"].pop(key)
    definitions = schema["$defs"]
    constellation = Constellation.model_json_schema(by_alias=True)
    definitions.update(constellation.pop("$defs"))
    definitions["Constellation"] = constellation
    schema["properties"]["constellation"] = {"type": "array", "items": {"$ref": "#/$defs/Constellation"}}
    definitions["Station"].pop("required")
    for key, meaning in (
        ("horizon_mask", "file of azimuths and elevations [deg]: CSV, .hrz, .hpts or PVGIS"),
        ("maintenance", "CSV or iCalendar file"),
    ):
        written_out = definitions["Station"]["properties"][key]
        definitions["Station"]["properties"][key] = {"anyOf": [{"type": "string", "description": meaning}, written_out]}
    definitions["Station"]["properties"]["aperture_diameter_m"] = {"type": "number", "exclusiveMinimum": 0}
    for key in OWN_RECEIVER_KEYS:
        definitions["Station"]["properties"][key] = definitions["Receiver"]["properties"][key]
    for linked in ("Satellite", "Constellation"):
        del definitions[linked]["properties"]["terminal"]["default"]
        definitions[linked]["oneOf"] = [{"required": ["terminal"]}, {"required": ["uplink"]}]
    preset_refs = {f"#/$defs/{name}" for name in ("Terminal", "Receiver", "QkdDevice")}
    for definition in [schema, *definitions.values()]:
        for key, prop in definition.get("properties", {}).items():
            if prop.get("$ref") in preset_refs:
                definition["properties"][key] = {"anyOf": [{"type": "string"}, prop]}
            elif _is_scalar(prop):
                sourced = {
                    "type": "object", "properties": {"value": prop, "source": {"type": "string"}},
                    "required": ["value", "source"], "additionalProperties": False,
                }  # fmt: skip
                definition["properties"][key] = {"anyOf": [prop, sourced]}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "eqci_space scenario"
    return schema


def _is_scalar(prop: dict[str, Any]) -> bool:
    """Whether a schema describes a number or text, or one that may be missing."""
    kinds = {option.get("type") for option in prop.get("anyOf", [prop])}
    return kinds <= {"number", "integer", "string", "null"}
