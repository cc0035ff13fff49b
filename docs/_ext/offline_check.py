"""After a build: no page may load anything from elsewhere. A page that does is a warning, and so an error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# What a browser fetches by itself; links that a reader follows are welcome.
_LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|<link\b(?=[^>]*\brel\s*=\s*["']?(?:stylesheet|preload|icon|preconnect))[^>]*?\bhref\s*=\s*["']?(?:https?:)?//[^"'\s>]+"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"'\s)]+"""
    r"""|url\(\s*["']?(?:https?:)?//[^"'\s)]+""",
    re.IGNORECASE,
)


def external_loads(text: str) -> list[str]:
    """What a page or style sheet would load from another host."""
    return [match.group(0) for match in _LOADS.finditer(text)]


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    from sphinx.util import logging

    for path in sorted(p for kind in ("*.html", "*.css") for p in Path(app.outdir).rglob(kind)):
        for found in external_loads(path.read_text(encoding="utf-8")):
            logging.getLogger(__name__).warning("%s loads from the network: %s", path.name, found)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("build-finished", _check)
    return {"version": "1", "parallel_read_safe": True}
