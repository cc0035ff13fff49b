"""The interactive forms of a report's figures: plain plotly figures, and the scripts that show them in one file.

A figure that has no interactive form, a printer and a browser without scripts all show the SVG instead.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import importlib
import importlib.util
import json
from typing import Any

from eqci_space.errors import DataError
from eqci_space.report.page.charts import CHARTS, Spec
from eqci_space.report.page.exposure import Exposures
from eqci_space.report.page.findings import Findings

__all__ = ["content_policy", "interactive_figures", "page_scripts", "plotly_installed"]

# Browsers that cannot unpack the library keep the pictures.
_SHOW = """(function () {
  if (!window.DecompressionStream) { return; }
  var packed = Uint8Array.from(atob(document.getElementById("library").textContent), function (sign) {
    return sign.charCodeAt(0);
  });
  var plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  new Response(plain).text().then(function (text) {
    var script = document.createElement("script");
    script.textContent = text;
    document.head.appendChild(script);
    draw();
  });
  function draw() {
    var specs = JSON.parse(document.getElementById("figure-data").textContent), drawn = [];
    document.querySelectorAll("figure[data-figure]").forEach(function (figure) {
      var spec = specs[figure.dataset.figure];
      if (!spec) { return; }
      var live = document.createElement("div");
      live.className = "live";
      live.setAttribute("role", "img");
      live.setAttribute("aria-label", figure.querySelector("img").alt);
      figure.insertBefore(live, figure.firstChild);
      figure.classList.add("has-live");
      drawn.push(Plotly.newPlot(live, spec.data, spec.layout, {
        responsive: true, displaylogo: false,
        modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]
      }).catch(function (error) { live.remove(); figure.classList.remove("has-live"); throw error; }));
    });
    Promise.all(drawn).then(function () { document.documentElement.dataset.figures = "drawn"; });
  }
}());"""


def plotly_installed() -> bool:
    """Whether figures can be interactive."""
    return importlib.util.find_spec("plotly") is not None


def page_scripts(figures: dict[str, Spec]) -> tuple[str, str, str, str]:
    """The library, its packed form, the figures as JSON that stays inert inside HTML, and the script that draws them.

    A page holds the packed form only; the script unpacks and starts the library, which a policy has to admit.

    Raises
    ------
    DataError
        plotly is not installed.
    """
    if not plotly_installed():
        raise DataError("write_report: interactive figures need plotly, which is missing; install eqci-space[report]")
    library = importlib.import_module("plotly.offline").get_plotlyjs()
    data = json.dumps(figures, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        data = data.replace(sign, f"\\u{ord(sign):04x}")
    packed = base64.b64encode(gzip.compress(library.encode("utf-8"), mtime=0)).decode("ascii")
    return library, packed, data, _SHOW


def content_policy(scripts: tuple[str, ...]) -> str:
    """A content security policy under which nothing is loaded and no script runs but these."""
    sums = (base64.b64encode(hashlib.sha256(s.encode("utf-8")).digest()).decode("ascii") for s in scripts)
    allowed = " ".join(f"'sha256-{s}'" for s in sums) or "'none'"
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        f"script-src {allowed}"
    )


def interactive_figures(f: Findings, e: Exposures, names: list[str]) -> dict[str, Spec]:
    """Interactive forms of the figures of these names, as data and layout; names are shown as they are written."""
    found = {}
    for name in names:
        spec = CHARTS[name](f, e)
        layout = {
            "margin": {"l": 60, "r": 60, "t": 20, "b": 50}, "height": 420, "modebar": {"orientation": "v"},
            "hovermode": "closest", "paper_bgcolor": "#fff", "plot_bgcolor": "#fff", "font": {"size": 12},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}, **spec["layout"],
        }  # fmt: skip
        found[name] = _inert({"data": spec["data"], "layout": layout})
    return found


def _inert(value: Any) -> Any:
    """The same with every text escaped, because plotly reads some tags; hover templates are ours."""
    if isinstance(value, dict):
        return {k: v if k == "hovertemplate" else _inert(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_inert(v) for v in value]
    if isinstance(value, str):
        return html.escape(value, quote=False)
    return value
