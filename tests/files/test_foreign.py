"""What is told of files that hold no data: pages, messages of servers, packed files; and what is left alone."""

from __future__ import annotations

import gzip

import pytest

from eqci_space.data import data_path
from eqci_space.files.foreign import first_line, foreign_bytes, foreign_text

PAGES = {
    "<!doctype html>\n<html><head><title>Just a moment...</title></head></html>": "titled 'Just a moment...'",
    "  <HTML>\n<BODY><H1>503 Service Unavailable</H1></BODY></HTML>": "titled '503 Service Unavailable'",
    "<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0 Strict//EN'>\n<html/>": "a web page, not",
    "<!-- cached\nat the edge -->\n<html lang='en'></html>": "a web page, not",
    "\ufeff<head><meta charset='utf-8'></head>": "a web page, not",
}
MESSAGES = (
    "GP data has not updated since your last successful download of GROUP=cubesat at 2027-01-01 10:00:00 UTC.\nData is "
    "updated once every 2 hours.",
    "No GP data found\n",
    'Invalid query: "CATNR=abc"',
    "429 Too Many Requests",
    '{"error":"You have violated your query rate limit. Please refer to our acceptable use guidelines"}',
    '{"detail": "Authentication credentials were not provided."}',
    "error code: 1015",
    "<?xml version='1.0' encoding='UTF-8'?>\n<Error><Code>AccessDenied</Code></Error>",
    "HTTP/1.1 502 Bad Gateway",
)


@pytest.mark.parametrize(("text", "words"), PAGES.items())
def test_a_web_page_is_named_with_its_title_and_first_line(text, words):
    found = foreign_text(text)
    assert found.startswith("a web page")
    assert words in found
    assert f"its first line is {first_line(text.lstrip(chr(0xFEFF)))}; download the file again" in found


@pytest.mark.parametrize("text", MESSAGES)
def test_a_message_of_a_server_is_named_with_its_first_line(text):
    found = foreign_text(text)
    assert found.startswith(f"a message of a server, not data: its first line is {text.splitlines()[0][:79]!r}"[:100])
    assert ("wait as long as it asks" in found) == any(w in text for w in ("updated", "Too Many", "rate limit"))


def test_a_pointer_of_a_version_control_system_is_named():
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    assert "a pointer of Git LFS" in foreign_text(text)
    assert "git lfs pull" in foreign_text(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"1 25544U", mtime=0), "packed with gzip; unpack it"),
        (b"PK\x03\x04\x14\x00", "packed with zip"),
        ("1 25544U".encode("utf-16"), "UTF-16, as PowerShell writes it; save it as UTF-8"),
        (b"\x89PNG\r\n", ""),
    ],
)
def test_bytes_that_are_no_text_are_told_by_their_first(content, words):
    assert words in foreign_bytes(content)
    assert bool(words) == bool(foreign_bytes(content))


def test_data_is_left_alone():
    # Every text file that is shipped, and names that sound like a refusal.
    shipped = [p for p in data_path("orbits").rglob("*") if p.is_file()]
    shipped += list(data_path("sites").rglob("*.csv"))
    assert len(shipped) >= 3
    for path in shipped:
        assert foreign_text(path.read_text(encoding="utf-8")) == "", path.name
    lines = "1 25544U 98067A   26333.50000000  .00016717  00000-0  10270-3 0  9997"
    assert foreign_text(f"FORBIDDEN SAT\n{lines}\n") == ""
    assert foreign_text('[{"OBJECT_NAME": "BLOCKED", "EPOCH": "2027-01-01T00:00:00"}]') == ""
    assert foreign_text("<ndm><omm/></ndm>") == foreign_text("") == ""


def test_a_first_line_is_quoted_and_cut():
    assert first_line("\n\n  a\tb \nc") == r"'a\tb'"
    assert first_line("x" * 300) == repr("x" * 80 + "…")
    assert first_line(" \n") == "''"
