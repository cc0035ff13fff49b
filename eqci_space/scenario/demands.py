"""What a scenario asks for: demands, services, and who may see their key."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from eqci_space.errors import near_matches
from eqci_space.scenario.fields import (
    Country,
    Name,
    Positive,
    Record,
)
from eqci_space.units import KEY_BIT

__all__ = ["AssuranceClasses", "Demand", "Service", "asked_bit_per_day", "assurance_limit", "assurance_text"]


class Service(Record):
    """Encryptors that take a fresh key of `key_bit` every `rekey_interval_s`."""

    encryptors: Annotated[int, Field(ge=1, le=10_000_000)]
    rekey_interval_s: Annotated[float, Field(gt=0, le=366 * 86400)]
    key_bit: Literal[128, 192, 256] = 256


_CLASSES = ("any", "national_only", "space_path", "two_disjoint", "max_nodes=N", "max_foreign_nodes=N")


def _classes(value: object) -> object:
    """One class or several as a tuple, each in its own spelling, without those that say nothing."""
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple) or not all(isinstance(c, str) for c in given):
        return value
    found = []
    for text in given:
        name, _, number = str(text).replace(" ", "").partition("=")
        if name in ("any", "national_only", "space_path", "two_disjoint") and not number:
            found.append(name)
        elif name in ("max_nodes", "max_foreign_nodes") and re.fullmatch(r"[0-9]{1,4}", number):
            found.append(f"{name}={int(number)}")
        else:
            raise ValueError(f"unknown class '{text}'; {near_matches(text, _CLASSES)}")
    return tuple(dict.fromkeys(c for c in found if c != "any" or len(found) == 1))


AssuranceClasses = Annotated[
    tuple[str, ...],
    BeforeValidator(_classes),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Demand(Record):
    """Key asked for between two nodes, as exactly one of bits a day, 256-bit keys a day, a service, one-time pad.

    `assurance` is a class or a list of classes that all hold: ``any``; ``national_only`` (nodes of one nation);
    ``max_nodes=N`` (so many nodes between the ends, satellites included); ``max_foreign_nodes=N`` (so many between them
    of a nation other than those of the ends); ``two_disjoint`` (XOR of two shares on paths without a common node);
    ``space_path`` (borders are crossed only through a satellite). Forbidden nodes, operators and nations see no key.
    Satellites count by their nation and operator like nodes on the ground. A node of which no nation is stated is of
    none: no limit of foreign nodes counts it and no forbidden nation keeps it out, but ``national_only`` does. The
    replay counts what is served with key older than `max_key_age_h`; `availability` is the share of time in which
    the service is to be served.
    """

    name: Name
    between: tuple[str, str]
    purpose: Literal["government", "data_centre", "infrastructure", "other"] = "other"
    assurance: AssuranceClasses = ("any",)
    forbidden_nodes: tuple[str, ...] = ()
    forbidden_operators: tuple[str, ...] = ()
    forbidden_nations: tuple[Country, ...] = ()
    computational: bool = False
    weight: Positive = 1.0
    keys_256_per_day: Positive | None = None
    bit_per_day: Positive | None = None
    service: Service | None = None
    otp_bit_s: Positive | None = None
    max_key_age_h: Annotated[float, Field(gt=0, le=87_600)] | None = None
    availability: Annotated[float, Field(gt=0, lt=1)] = 0.9

    @model_validator(mode="after")
    def _consistent(self) -> Demand:
        given = [k for k in ("keys_256_per_day", "bit_per_day", "service", "otp_bit_s") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of keys_256_per_day, bit_per_day, service and otp_bit_s; found "
                f"{' and '.join(given) or 'none'}"
            )
        if self.between[0] == self.between[1]:
            raise ValueError(f"both ends are '{self.between[0]}'; a demand joins two different nodes")
        for end in self.between:
            if end in self.forbidden_nodes:
                raise ValueError(f"forbidden_nodes: '{end}' is an end of the demand")
        return self


def asked_bit_per_day(demand: Demand) -> float:
    """Key that a demand asks for [bit/day]; one AES-256 key a minute is 11.2 Mbit in 30.4 days."""
    if demand.bit_per_day is not None:
        return demand.bit_per_day
    if demand.keys_256_per_day is not None:
        return demand.keys_256_per_day * KEY_BIT
    if demand.otp_bit_s is not None:
        return demand.otp_bit_s * 86400.0
    service = demand.service
    assert service is not None
    return service.encryptors * service.key_bit * 86400.0 / service.rekey_interval_s


def assurance_limit(demand: Demand, name: str) -> int | None:
    """The number N of a class ``name=N`` that a demand has, the smallest; None without one."""
    numbers = [int(c.partition("=")[2]) for c in demand.assurance if c.partition("=")[0] == name]
    return min(numbers) if numbers else None


def assurance_text(demand: Demand) -> str:
    """The classes and prohibitions of a demand in one line."""
    forbidden = [
        f"no {word} {', '.join(values)}"
        for word, values in (
            ("node", demand.forbidden_nodes), ("operator", demand.forbidden_operators),
            ("nation", demand.forbidden_nations),
        )
        if values
    ]  # fmt: skip
    return " + ".join([*demand.assurance, *forbidden])
