"""The report in headless Chromium: figures are drawn, the console stays silent, and no request leaves the file."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from eqci_space.report.page.document import write_report
from eqci_space.schedule.simulate import simulate_plan

pytestmark = pytest.mark.slow

# Pages are higher than the 16384 pixels that a picture may have.
SCALE = 0.5
# Nothing answers at the proxy, so what a page tries to load fails at once, and is in the log of the network.
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--v=0",
    "--proxy-server=127.0.0.1:9", "--virtual-time-budget=20000", f"--force-device-scale-factor={SCALE}",
]  # fmt: skip
PROBE = """addEventListener("load", function look() {
  var root = document.documentElement, boxes = {};
  if (document.getElementById("figure-data") && !root.dataset.figures) { setTimeout(look, 50); return; }
  document.querySelectorAll("figure").forEach(function (figure) {
    var live = figure.querySelector(".live"), image = figure.querySelector("img"), drawn = live && live.offsetHeight;
    var box = (drawn ? live : image).getBoundingClientRect();
    boxes[figure.dataset.figure] = {live: Boolean(drawn), image: image.offsetHeight,
      box: [box.left, box.top + scrollY, box.right, box.bottom + scrollY]};
  });
  var out = document.createElement("pre");
  out.id = "probe";
  out.hidden = true;
  out.textContent = JSON.stringify({figures: boxes, width: root.scrollWidth});
  document.body.appendChild(out);
});"""
BLANK_SVG = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHdpZHRoPSI2MDAiIGhlaWdodD0iMzAwIi8+"


@dataclass
class Visit:
    """What a page did: its DOM, what it wrote to the console, and what it asked the network for."""

    dom: str
    console: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def chromium():
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None and os.environ.get("EQCI_NO_BROWSER") == "1":
        pytest.skip("EQCI_NO_BROWSER=1: the report is not tested in a browser")
    if found is None:
        pytest.fail("no Chromium; install the package 'chromium', or set EQCI_NO_BROWSER=1 to leave these tests out")
    return found


@pytest.fixture(scope="module")
def visit(chromium, tmp_path_factory):
    def run(page, *options, width=1200, height=1000):
        folder = tmp_path_factory.mktemp("browser")
        log = folder / "net.json"
        done = subprocess.run(
            [chromium, *OPTIONS, f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}",
             f"--window-size={width},{height}", *(options or ["--dump-dom"]), page.as_uri()],
            capture_output=True, text=True, timeout=240, check=True,
        )  # fmt: skip
        return Visit(done.stdout, re.findall(r"CONSOLE.*", done.stderr), _requests(log))

    return run


def _requests(log):
    """Addresses that pages asked for; what the browser itself asks for has no origin."""
    content = json.loads(log.read_text(encoding="utf-8"))
    start = content["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    asked = [e["params"] for e in content["events"] if e["type"] == start and "url" in e.get("params", {})]
    return [p["url"] for p in asked if p.get("initiator") != "not an origin" and not p["url"].startswith("file:")]


@pytest.fixture(scope="module")
def reports(study, tmp_path_factory):
    """The report with all its figures, interactive and not."""
    simulation = simulate_plan(
        study.plan, study.budget, study.contact_keys, study.scenario, network=study.network, trials=20
    )
    findings = replace(study._findings(), simulation=simulation)
    folder = tmp_path_factory.mktemp("reports")
    for name, interactive in (("svg", False), ("interactive", True)):
        write_report(findings, folder / f"{name}.html", interactive=interactive)
    return folder


def probed(page, *changes):
    """A copy of a page, with changes of its text, that says where its figures are; its policy admits the probe."""
    text = page.read_text(encoding="utf-8")
    for old, new in changes:
        text, count = re.subn(old, new, text)
        assert count, old
    check = base64.b64encode(hashlib.sha256(PROBE.encode()).digest()).decode()
    text, count = re.subn(r"script-src (&#39;none&#39;)?", f"script-src 'sha256-{check}' ", text, count=1)
    assert count
    copy = page.with_name(f"{page.stem}-probe.html")
    copy.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    return copy


def places(visited):
    return json.loads(unescape(re.search(r'<pre id="probe"[^>]*>(.*?)</pre>', visited.dom)[1]))


def ink(shot, box):
    """Share of pixels of a figure that are not white, and how many colours these have."""
    part = np.asarray(shot.crop([round(SCALE * x) for x in box]).convert("RGB")).reshape(-1, 3)
    drawn = part[(part < 250).any(axis=1)]
    return len(drawn) / len(part), len(np.unique(drawn // 16, axis=0))


def photographed(visit, page, where, width=1200):
    """The page down to its last figure as a picture."""
    target = page.with_suffix(".png")
    height = round(max(found["box"][3] for found in where["figures"].values())) + 10
    assert SCALE * height < 16_384
    visit(page, f"--screenshot={target}", width=width, height=height)
    return Image.open(target)


@pytest.mark.parametrize("name", ["svg", "interactive"])
def test_nothing_is_said_on_the_console_and_nothing_is_asked_of_the_network(visit, reports, name):
    found = visit(reports / f"{name}.html")
    assert found.console == []
    assert found.requests == []
    assert ('data-figures="drawn"' in found.dom) == (name == "interactive")


def test_console_and_network_are_watched(visit, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><body><img src="http://192.0.2.1/pixel.png"><script>console.error("boom")</script></body>',
        encoding="utf-8",
    )
    found = visit(page)
    assert len(found.console) == 1
    assert '"boom"' in found.console[0]
    assert found.requests == ["http://192.0.2.1/pixel.png"]


def test_policy_of_the_report_stops_what_would_be_loaded_or_run(visit, reports):
    page = reports / "smuggled.html"
    text = (reports / "svg.html").read_text(encoding="utf-8")
    bad = '<img src="http://192.0.2.1/pixel.png"><script>document.title = "taken"</script></body>'
    page.write_text(text.replace("</body>", bad), encoding="utf-8")
    found = visit(page)
    assert found.requests == []
    assert "<title>taken" not in found.dom
    assert len(found.console) == 2
    assert all("Content Security Policy" in line for line in found.console)


@pytest.mark.parametrize(("name", "width"), [("svg", 1200), ("interactive", 1200), ("interactive", 800)])
def test_figures_are_drawn_inside_the_page_and_apart_from_each_other(visit, reports, name, width):
    page = probed(reports / f"{name}.html")
    where = places(visit(page, width=width))
    figures = where["figures"]
    assert len(figures) == 13
    assert where["width"] <= width
    shot = photographed(visit, page, where, width)
    below = 0.0
    for figure, found in figures.items():
        left, top, right, bottom = found["box"]
        assert found["live"] == (name == "interactive"), figure
        assert left >= 0, figure
        assert right <= width, figure
        assert top >= below, figure
        assert right - left > 300, figure
        assert bottom - top > 80, figure
        share, colours = ink(shot, found["box"])
        assert share > 0.01, figure
        assert colours >= 4, figure
        below = bottom


def test_a_blank_figure_is_noticed(visit, reports):
    image = r'(data-figure="gantt"><img src="data:image/svg\+xml;base64,)[A-Za-z0-9+/=]+'
    page = probed(reports / "svg.html", (image, rf"\g<1>{BLANK_SVG}"))
    where = places(visit(page))
    shot = photographed(visit, page, where)
    assert ink(shot, where["figures"]["gantt"]["box"]) == (0.0, 0)
    assert ink(shot, where["figures"]["map"]["box"])[0] > 0.01


def test_a_printer_gets_the_pictures_and_the_folded_tables(visit, reports):
    page = probed(reports / "interactive.html", ("@media print", "@media all"))
    figures = places(visit(page, width=718))["figures"]
    assert len(figures) == 13
    assert not any(found["live"] for found in figures.values())
    assert min(found["image"] for found in figures.values()) > 80
    target = reports / "printed.pdf"
    visit(reports / "interactive.html", f"--print-to-pdf={target}", "--no-pdf-header-footer")
    pages = len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))
    assert 8 <= pages <= 30
