"""Terminals, receivers and devices that ship as presets, by name."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any

from eqci_space.data import data_path

__all__ = ["PRESET_FILES", "preset_tables", "preset_values"]

PRESET_FILES = {
    "terminal": "terminals", "transmitter": "terminals", "receiver": "receivers", "device": "devices"
}  # fmt: skip
"""File of ``data/presets`` by the key under which scenarios name its tables."""


@lru_cache(maxsize=8)
def preset_tables(key: str) -> dict[str, Any]:
    """All presets for a key of `PRESET_FILES` as the file has them, sources included; not to be changed."""
    return tomllib.loads(data_path("presets", f"{PRESET_FILES[key]}.toml").read_text(encoding="utf-8"))


def preset_values(key: str, name: str) -> dict[str, Any]:
    """The values of one preset, without their sources.

    Raises
    ------
    KeyError
        There is no preset of that name.
    """
    table = preset_tables(key)[name]
    return {k: v["value"] if isinstance(v, dict) and set(v) == {"value", "source"} else v for k, v in table.items()}
