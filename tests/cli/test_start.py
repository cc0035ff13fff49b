"""Beginning: help, version, completion, init, schema, doctor, data status, colours."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import eqci_space
from eqci_space.data import data_path
from eqci_space.scenario import load_scenario

COMMAND = [sys.executable, "-m", "eqci_space.cli"]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*[349][0-7]")


def process(*arguments, cwd=None, **environment):
    env = {**os.environ, **environment}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )


def test_help_is_quick_and_names_the_commands():
    fastest = 9.9
    for _ in range(3):
        begin = time.perf_counter()
        done = process("--help", COLUMNS="120")
        fastest = min(fastest, time.perf_counter() - begin)
    assert done.returncode == 0
    for name in ("run", "report", "simulate", "sweep", "coverage", "check", "explain", "whatif", "compare", "passes",
                 "windows", "budget", "keys", "schedule", "relay", "init", "schema", "doctor", "data"):  # fmt: skip
        assert re.search(rf"^│ {name} ", done.stdout, re.MULTILINE), name
    assert "130 interrupted" in done.stdout
    assert fastest < 1.0


def test_version(eqci):
    assert eqci("--version").stdout == f"eqci {eqci_space.__version__}\n"


def test_init_writes_a_scenario_that_runs_as_it_is(eqci, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = eqci("init")
    assert (done.exit_code, done.stdout) == (0, "scenario.toml\n")
    assert done.stderr.startswith("next: eqci check ./scenario.toml")
    (tmp_path / "day.toml").write_text("end = 2027-03-02T12:00:00Z\n", encoding="utf-8")
    assert eqci("check", "scenario.toml").exit_code == 0
    done = eqci("run", "scenario.toml", "--with", "day.toml", "--out", "out/first")
    assert done.exit_code == 0, done.stderr
    assert re.match(r"My network 2027-03-01\.\.02: [1-9]\d* contacts", done.stdout)
    assert (tmp_path / "out" / "first" / "report.html").is_file()


def test_init_never_replaces_a_file_without_force(eqci, tmp_path):
    mine = tmp_path / "sub" / "mine.toml"
    assert eqci("init", mine, "-q").stderr == ""
    mine.write_text("changed", encoding="utf-8")
    done = eqci("init", mine)
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert mine.read_text(encoding="utf-8") == "changed"
    assert eqci("init", mine, "--force").exit_code == 0
    assert mine.read_bytes() == data_path("templates", "scenario.toml").read_bytes()


@pytest.mark.parametrize("name", ["quant-gpicz", "euroqci"])
def test_init_copies_an_example_that_loads(eqci, tmp_path, name):
    assert eqci("init", tmp_path, "--example", name).exit_code == 0
    copied = load_scenario(tmp_path / f"{name}.toml")
    assert copied.model_dump() == load_scenario(name).model_dump()
    done = eqci("init", tmp_path, "--example", "euroqcy")
    assert done.exit_code == 2
    assert "did you mean 'euroqci'" in done.stderr


def test_what_the_template_comments_out_is_valid_too(tmp_path):
    """Every commented key but those that name a file is taken in, table by table and line by line."""
    text = data_path("templates", "scenario.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not re.match(r"# (elements|catalogue_number) = ", line)]
    taken = [re.sub(r"^# (?=\[\[?\w|\w+ = )", "", line) for line in lines]
    assert sum(a != b for a, b in zip(lines, taken, strict=True)) >= 12
    (tmp_path / "all.toml").write_text("\n".join(taken), encoding="utf-8")
    scenario = load_scenario(tmp_path / "all.toml")
    assert len(scenario.satellites) == 5
    assert len(scenario.outages) == 1
    assert scenario.stations["PQSAT"].horizon_mask


def test_schema_is_json(eqci):
    assert json.loads(eqci("schema").stdout)["title"] == "eqci_space scenario"


def test_doctor_finds_everything_well(eqci, parsed):
    done = eqci("doctor")
    assert done.exit_code == 0
    assert "all checksums right" in done.stdout
    assert "as published" in done.stdout
    document = parsed("doctor")
    assert document["well"] is True
    assert document["data"]["changed"] == []
    assert abs(document["self_test"]["bit_s"] / 282_458.2 - 1) < 1e-5


def test_data_status_lists_every_file_and_ages(eqci, parsed):
    done = eqci("data", "status", "--scenario", "quant-gpicz")
    assert done.exit_code == 0
    assert re.search(r"^scenarios/quant-gpicz\.toml +as shipped", done.stdout, re.MULTILINE)
    assert re.search(r"^Earth orientation of \d{4}-\d\d-\d\d, until \d{4}-", done.stdout, re.MULTILINE)
    assert "by design, has no age" in done.stdout
    document = parsed("data", "status")
    assert len(document["files"]) == len(data_path("SOURCES.csv").read_text(encoding="utf-8").splitlines()) - 1
    assert document["input_ages"] == []


def completed(words, cwd):
    """What the shell is told for the last of some words."""
    done = process(
        cwd=cwd, _EQCI_COMPLETE="complete_bash", COMP_WORDS=" ".join(["eqci", *words]), COMP_CWORD=str(len(words))
    )
    return done.stdout.split()


def test_completion_knows_commands_scenarios_and_files(tmp_path):
    (tmp_path / "quarter.toml").write_text("", encoding="utf-8")
    (tmp_path / "quotes.txt").write_text("", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text("", encoding="utf-8")
    assert completed(["sched"], tmp_path) == ["schedule"]
    assert completed(["run", "qu"], tmp_path) == ["quant-gpicz", "quarter.toml"]
    assert completed(["budget", "s"], tmp_path) == ["sub/"]
    assert completed(["check", "sub/"], tmp_path) == ["sub/mine.toml"]
    assert completed(["init", "--example", "e"], tmp_path) == ["euroqci"]
    assert completed(["data", "status", "--scenario", "eur"], tmp_path) == ["euroqci"]
    assert "--strict-data" in completed(["run", "--"], tmp_path)


def test_completion_is_installed_for_a_shell(tmp_path):
    done = process("--install-completion", "bash", HOME=str(tmp_path), _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0, done.stderr
    written = [p for p in Path(tmp_path).rglob("*") if p.is_file()]
    assert any("_EQCI_COMPLETE=complete_bash" in p.read_text(encoding="utf-8") for p in written)


def on_terminal(*arguments, **environment):
    """What a command writes to stderr when that is a terminal."""
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm-256color", **environment}
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=theirs, env=env) as running:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(ours)
    assert running.returncode == 0
    return seen.decode()


def test_a_terminal_sees_progress_and_no_color_takes_its_colours():
    assert COLOUR.search(on_terminal("passes", "quant-gpicz"))
    plain = on_terminal("passes", "quant-gpicz", NO_COLOR="1")
    assert "passes" in plain
    assert not COLOUR.search(plain)


def test_no_color_holds_for_help_too():
    forced = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert COLOUR.search(process("--help", **forced).stdout)
    assert not COLOUR.search(process("--help", NO_COLOR="1", **forced).stdout)
