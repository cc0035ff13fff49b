"""What a file holds that was meant to hold data and does not: a web page, a server's message, a packed file.

Downloads end up as such files when a server refuses, limits or redirects. Readers name them for what they are and
quote their first line, rather than tell which field the page lacks.
"""

from __future__ import annotations

import re

__all__ = ["first_line", "foreign_bytes", "foreign_text"]

_SHOWN = 80
_HEAD = 4096
_LONGEST_MESSAGE = 4096
_MOST_NUMBERS = 8
_PAGE = re.compile(r"(<\?xml[^>]*>|<!--.*?-->|\s)*<(!doctype\s+html|html|head|body|title|h1|script)\b", re.I | re.S)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>\s*([^<]+?)\s*<", re.I)
_STORE_ERROR = re.compile(r"(<\?xml[^>]*>|\s)*<error\b", re.I)
_JSON_ERROR = re.compile(r'\{\s*"(error|errors|message|detail|details|status|code|title|reason)"\s*:', re.I)
_POINTER = "version https://git-lfs.github.com/spec/"
# Of CelesTrak, Space-Track and common web servers and proxies.
_PHRASES = re.compile(
    r"\b(rate.?limit|too many requests|throttl|quota exceeded|limit exceeded|query limit|has not updated since|"
    r"updated once every|please (try|wait|slow|log ?in|sign ?in)|try again later|forbidden|access (is )?denied|"
    r"unauthori[sz]ed|not authori[sz]ed|permission denied|authentication|login required|must be logged in|captcha|"
    r"blocked|banned|no gp data found|no results|no data (found|available|returned)|invalid (query|request)|"
    r"bad request|bad gateway|gateway time|service unavailable|temporarily unavailable|internal server error|"
    r"(page|file|resource) not found|404 not found|moved (permanently|temporarily)|error (code:? )?\d{3,4}|"
    r"http(/[\d.]+)? [345]\d\d|timed out|timeout)",
    re.I,
)
_LIMIT = re.compile("limit|updated|too many|throttl|slow", re.I)
_PACKED = (
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"7z\xbc\xaf", "7-zip"),
)
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def first_line(text: str) -> str:
    """The first line of a text that is not blank, quoted, at most 80 characters of it."""
    line = next((x.strip() for x in text[:_HEAD].splitlines() if x.strip()), "")
    return repr(line if len(line) <= _SHOWN else line[:_SHOWN] + "…")


def foreign_text(text: str) -> str:
    """What a text is instead of data, its first line, and a remedy; empty if it may be data.

    Parameters
    ----------
    text : str
        Content of a file.

    Returns
    -------
    str
        Such as ``a web page titled '403 Forbidden', not data: its first line is '<!DOCTYPE html>'; ...``; it follows
        the name of the file and "is".
    """
    head = text[:_HEAD].lstrip("\ufeff \t\r\n")
    kind, remedy = "", "download the file again, and look at it before it is used"
    if _PAGE.match(head):
        title = _TITLE.search(head)
        kind = "a web page" + (f" titled {title.group(2)[:_SHOWN]!r}" if title else "")
    elif head.startswith(_POINTER):
        kind, remedy = "a pointer of Git LFS", "fetch the file itself with 'git lfs pull'"
    elif _STORE_ERROR.match(head) or _is_message(text, head):
        kind = "a message of a server"
        remedy = ("wait as long as it asks, then " if _LIMIT.search(head) else "") + remedy
    return f"{kind}, not data: its first line is {first_line(head)}; {remedy}" if kind else ""


def _is_message(text: str, head: str) -> bool:
    """Whether a short text without columns of numbers says that a request failed."""
    if len(text) > _LONGEST_MESSAGE or "EPOCH" in text:
        return False
    if _JSON_ERROR.match(head):
        return True
    wordy = not head.startswith(("<", "[", "{")) and len(re.findall(r"(?<![\w:-])[-+]?\d*\.\d+", text)) < _MOST_NUMBERS
    return wordy and not re.search(r"^\s*[12] .{60}", text, re.M) and bool(_PHRASES.search(text))


def foreign_bytes(content: bytes) -> str:
    """What bytes that are no UTF-8 seem to be, and a remedy; empty if that cannot be told.

    Parameters
    ----------
    content : bytes
        The beginning of a file.
    """
    for mark, name in _PACKED:
        if content.startswith(mark):
            return f"a file packed with {name}; unpack it"
    if content.startswith(_WIDE):
        return "text in UTF-16, as PowerShell writes it; save it as UTF-8"
    return ""
