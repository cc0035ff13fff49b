"""What kind of orbit file a text is, told by its beginning, so that a reader can name what it was given."""

from __future__ import annotations

import re

__all__ = ["other_kind"]

# What each family is given as in a scenario.
_REMEDIES = {
    "elements": "name it as elements = instead of ephemeris =",
    "ephemeris": "name it as ephemeris = instead of elements =",
}
# Pattern of the beginning, kind, and its family or else what to do with it.
_KINDS: tuple[tuple[str, str, str], ...] = (
    (r"CCSDS_OEM_VERS|<(\w+:)?oem\b", "an OEM (CCSDS tabulated states)", "ephemeris"),
    (r"CCSDS_OPM_VERS|<(\w+:)?opm\b", "an OPM (CCSDS, one state)", "propagate it and give the OEM"),
    (r"CCSDS_OMM_VERS|<(\w+:)?omm\b", "an OMM (CCSDS mean elements)", "elements"),
    (r"CCSDS_OCM_VERS|<(\w+:)?ocm\b", "an OCM (CCSDS orbit comprehensive message)", "export its trajectory as an OEM"),
    (r"CCSDS_(AEM|APM|ACM)_VERS|<(\w+:)?(aem|apm|acm)\b", "an attitude message (CCSDS)", "give the orbit, as an OEM"),
    (r"CCSDS_(TDM|CDM|RDM)_VERS|<(\w+:)?(tdm|cdm|rdm)\b", "a message of tracking, conjunction or re-entry (CCSDS)",
     "give the orbit, as an OEM"),
    (r"stk\.v\.", "an ephemeris of STK (.e)", "export it there as a CCSDS OEM"),
    (r"#[a-d][PV]\s*\d{4}", "an SP3 file of precise orbits (IGS)", "convert it to an OEM in ITRF"),
    (r"H1\s+CPF\b", "a prediction for laser ranging (CPF)", "convert it to an OEM in ITRF"),
    (r"DAF/SPK|KPL/|BEGIN_SPICE", "a SPICE kernel", "convert it to an OEM"),
    (r"(.*\n)?\s*1 [ 0-9A-Z]\d{4}[A-Z ].*\n\s*2 ", "two-line elements", "elements"),
    (r"\s*[\[{].{0,400}\"?(MEAN_MOTION|NORAD_CAT_ID)\"?", "an OMM (CCSDS mean elements, JSON)", "elements"),
    (r"(?=.*\bEPOCH\b)(?=.*\bMEAN_MOTION\b).*[,;\t]", "an OMM (CCSDS mean elements, CSV)", "elements"),
)  # fmt: skip
_PREFACE = re.compile(r"((<\?xml[^>]*\?>|<!--(?s:.*?)-->|<(\w+:)?ndm(\s[^>]*)?>|COMMENT[^\n]*|#[^\n]*\n(?=CCSDS))\s*)*")
_HEAD = 4096


def other_kind(text: str, family: str) -> tuple[str, str]:
    """Kind of a file that is no ``elements`` or no ``ephemeris``, and what to do with it; empty if it may be.

    Such as ``an SP3 file of precise orbits (IGS)`` and ``convert it to an OEM in ITRF``.
    """
    head = text[:_HEAD].lstrip()
    preface = _PREFACE.match(head)
    head = head[preface.end() :] if preface else head
    for pattern, kind, remedy in _KINDS:
        if re.match(pattern, head):
            return ("", "") if remedy == family else (kind, _REMEDIES.get(remedy, remedy))
    return "", ""
