"""The application: help, version, completion, colours."""

import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import eqci_space

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
