"""Orbit Ephemeris Messages in XML (CCSDS 505.0-B): to and from the keywords and state lines that both forms share."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from eqci_space.errors import ElementsError
from eqci_space.files.xml_walk import walk_xml

__all__ = ["STATE_KEYS", "Draft", "format_oem_xml", "parse_oem_xml"]

STATE_KEYS = ("EPOCH", "X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT")
_UNITS = dict(zip(STATE_KEYS, ("", "km", "km", "km", "km/s", "km/s", "km/s"), strict=True))


@dataclass
class Draft:
    """A segment as a file writes it: keywords with their places, and states as text.

    Attributes
    ----------
    place : str
        Where it begins.
    meta : dict of str to str
    places : dict of str to str
        Where each keyword stands.
    rows : list of (str, list of str)
        Place of a state, and its epoch, position [km] and velocity [km/s].
    """

    place: str
    meta: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    rows: list[tuple[str, list[str]]] = field(default_factory=list)

    def note(self, key: str, value: str, where: str) -> None:
        """Take a keyword of the metadata.

        Raises
        ------
        ElementsError
            It is given twice.
        """
        if key in self.meta:
            raise ElementsError(f"{where}: {key} is given twice; keep one of them")
        self.meta[key], self.places[key] = value, where


def parse_oem_xml(text: str, source: str) -> list[Draft]:
    """Segments of the ``oem`` elements of a document; covariances and accelerations are passed over.

    Raises
    ------
    ElementsError
        It is no well-formed XML, a keyword stands twice, a unit is another than the standard's, or a state lacks a
        number.
    """
    drafts: list[Draft] = []
    inside: list[str] = []
    state: dict[str, str] = {}

    def begin(tag: str, attributes: dict[str, str], where: str) -> None:
        inside.append(tag)
        if "oem" not in inside:
            return
        if tag == "segment":
            drafts.append(Draft(where))
        elif tag == "stateVector":
            state.clear()
        unit = attributes.get("units")
        if unit and "stateVector" in inside and _UNITS.get(tag, unit).lower() != unit.lower():
            raise ElementsError(f"{where}: {tag} is in [{unit}]; expected [{_UNITS[tag]}]; mend the file")

    def finish(tag: str, content: str, where: str) -> None:
        inside.pop()
        if "oem" not in inside or not drafts:
            return
        if inside[-1] == "metadata":
            drafts[-1].note(tag, content, where)
        elif inside[-1] == "stateVector":
            state[tag] = content
        elif tag == "stateVector":
            missing = [key for key in STATE_KEYS if not state.get(key)]
            if missing:
                raise ElementsError(f"{where}: a state lacks {', '.join(missing)}; mend the file")
            drafts[-1].rows.append((where, [state[key] for key in STATE_KEYS]))

    walk_xml(text, source, begin, finish, refusal=ElementsError)
    return drafts


def format_oem_xml(header: dict[str, str], drafts: list[Draft]) -> str:
    """The document of segments; the header is that of `format_kvn`."""
    version = quoteattr(header["CCSDS_OEM_VERS"])
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>', f'<oem id="CCSDS_OEM_VERS" version={version}>', "<header>",
        *(f"<{k}>{escape(v)}</{k}>" for k, v in header.items() if k != "CCSDS_OEM_VERS"), "</header>", "<body>",
    ]  # fmt: skip
    for draft in drafts:
        lines += ["<segment>", "<metadata>", *(f"<{k}>{escape(v)}</{k}>" for k, v in draft.meta.items()), "</metadata>"]
        lines.append("<data>")
        for _, words in draft.rows:
            cells = "".join(f"<{k}>{w}</{k}>" for k, w in zip(STATE_KEYS, words, strict=True))
            lines.append(f"<stateVector>{cells}</stateVector>")
        lines += ["</data>", "</segment>"]
    return "\n".join([*lines, "</body>", "</oem>", ""])
