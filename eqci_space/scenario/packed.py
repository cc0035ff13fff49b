"""A scenario as short text, such as records for other processes hold."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zlib
from functools import lru_cache
from typing import Any

from eqci_space.scenario.model import Scenario

__all__ = ["content_sha256", "packed_scenario", "unpacked_scenario"]


def packed_scenario(scenario: Scenario) -> str:
    """A scenario as short text that holds all that its tables depend on, checksums of its files included.

    Element sets, ephemerides and weather records are read beside ``scenario.file``, which workers must see.
    """
    file = os.path.abspath(scenario.file) if scenario.file else ""
    text = _json({**_content(scenario), "file": file, "sha256": scenario.sha256})
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def _content(scenario: Scenario) -> dict[str, Any]:
    """What the tables depend on, wherever the file lies."""
    values = scenario.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return {"values": values, "inputs": scenario.inputs}


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=8)
def unpacked_scenario(text: str) -> Scenario:
    """The scenario that `packed_scenario` made short."""
    content = json.loads(zlib.decompress(base64.b85decode(text)))
    inputs = tuple((name, sha256) for name, sha256 in content["inputs"])
    scenario = Scenario.model_validate(content["values"])
    return scenario.model_copy(update={"file": content["file"], "sha256": content["sha256"], "inputs": inputs})


def content_sha256(scenario: Scenario) -> str:
    """Checksum of all that the tables of a scenario depend on, wherever its file lies."""
    return hashlib.sha256(_json(_content(scenario)).encode()).hexdigest()
