"""Benchmarks run at their smoke size, and their numbers are those of the work."""

import json

import pytest

from benchmarks.__main__ import main
from benchmarks.passes import SIZES
from benchmarks.timing import process_cost


def smoke(name, folder):
    """The numbers of a benchmark at smoke size, as it writes them."""
    assert main([name, "--size", "smoke", "--json", str(folder / "out.json")]) == 0
    return {r["what"]: r["value"] for r in json.loads((folder / "out.json").read_text(encoding="utf-8"))[name]}


def test_smoke_size_of_the_pass_benchmark(tmp_path, capsys, recwarn):
    rows = smoke("passes", tmp_path)
    satellites, stations, days, _, _ = SIZES["smoke"]
    assert rows["satellites x stations x days"] == satellites * stations * days
    # A low orbit passes a mid-latitude station two to three times a day above 20 deg, a polar one more often.
    assert 1.5 < rows["passes found"] / (satellites * stations * days) < 8
    assert rows["Skyfield: passes in its sample, less ours"] == 0
    assert rows["Skyfield / ours (asked: at least 80)"] > 5  # loose: a test machine is busy
    assert "ours / sgp4" in capsys.readouterr().out


def test_smoke_size_of_the_budget_benchmark(tmp_path):
    rows = smoke("budget", tmp_path)
    assert rows["lookup less exact, largest (asked: at most 0.005)"] < 0.005
    assert rows["full budget, exact (asked: at most 6 s a million)"] < 5


@pytest.mark.slow
def test_smoke_size_of_the_key_benchmark(tmp_path):
    """Loose limits: a test machine is busy."""
    rows = smoke("keys", tmp_path)
    assert rows["optimised window, CPU (asked: at most 2 ms)"] < 20
    assert rows["part of a window at given parameters"] < 500


def test_smoke_size_of_the_weather_benchmark(tmp_path):
    rows = smoke("weather", tmp_path)
    assert abs(rows["share of cloudy hours less 0.6"]) < 0.02
    assert rows["peak memory (asked: at most 400 MB)"] < 400


@pytest.mark.slow
def test_smoke_size_of_the_network_benchmark(tmp_path):
    rows = smoke("network", tmp_path)
    (failures,) = [what for what in rows if what.endswith("single failures in one bin (asked: at most 60 s)")]
    assert int(failures.split()[1]) > 50
    assert rows["node Poznan down for a week, answered (asked: at most 10 s)"] < 60  # loose: a test machine is busy


@pytest.mark.slow
def test_smoke_size_of_the_plan_benchmark(tmp_path):
    rows = smoke("plan", tmp_path)
    assert rows["quant-gpicz week: gap proven"] <= 0.01
    assert rows["1 satellites x 2 days: gap"] <= 0.1
    best = rows["1 satellites x 2 days: gain over no satellite, of what is possible"]
    greedy = [value for what, value in rows.items() if what.startswith("1 satellites x 2 days: the same, greedy")]
    assert len(greedy) == 3
    assert best >= max(greedy)
    assert rows["pass choice: gap"] <= 0.01
    rolling = "rolling, 1 satellites x 9 days"
    assert rows[f"{rolling}: plans made"] == 2
    assert rows[f"{rolling}: worst gap of a plan"] <= 1
    assert rows[f"{rolling}: contacts flown"] > 20
    assert 30 < rows[f"{rolling}: key delivered of what is asked"] < 70


@pytest.mark.slow
def test_smoke_size_end_to_end(tmp_path):
    rows = smoke("end_to_end", tmp_path)
    assert rows["files that differ between one process and two"] == 0
    name = "2 satellites x 6 stations x 2 days"
    assert rows[f"{name}: keys"] == rows[f"{name}: windows"] > 20
    assert rows[f"{name}: passes"] > rows[f"{name}: windows"]
    assert rows[f"{name}: candidates"] > rows[f"{name}: windows"] / 2
    assert 100 < rows["peak memory, all processes"] < 2000
    assert rows["memory when the period doubles (asked: below 1.1)"] < 1.1


def test_the_cost_of_a_process_counts_its_workers():
    work = "x = bytearray(200_000_000); sum(range(10**7))"
    burn = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    alone, together = process_cost("x = bytearray(300_000_000)\nprint(7)"), process_cost(burn, workers=2)
    assert alone.output == "7"
    assert 286 < alone.memory_mb == alone.driver_mb < 400
    assert together.driver_mb < 150
    assert 2 * 190 < together.memory_mb - together.driver_mb < 2 * 300
    assert together.cpu_s > 0.05
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        process_cost("1 / 0")


def results(folder, name, **values):
    about = {"size": "smoke", "version": "1", "python": "3.11", "machine": "x86_64, 2 cores"}
    rows = [{"what": what, "value": value, "unit": "s"} for what, value in values.items()]
    path = folder / name
    path.write_text(json.dumps({"about": about, "passes": rows}))
    return str(path)


def test_two_files_are_compared_line_by_line(tmp_path, capsys):
    old, new = results(tmp_path, "old", kept=4.0, gone=1.0), results(tmp_path, "new", kept=5.0, added=0.0)
    assert main(["--compare", old, new]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["kept", "4", "5", "1.250", "s"] in lines
    assert ["gone", "1", "none", "s"] in lines
    assert ["added", "none", "0", "s"] in lines


def test_a_run_is_compared_with_an_earlier_file(tmp_path, capsys, recwarn):
    file = tmp_path / "first.json"
    assert main(["passes", "--size", "smoke", "--json", str(file)]) == 0
    capsys.readouterr()
    changed = json.loads(file.read_text())
    for row in changed["passes"]:
        row["value"] *= 2
    file.write_text(json.dumps(changed))
    assert main(["passes", "--size", "smoke", "--compare", str(file)]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "passes found" in x and "0.500" in x]
    assert float(line.split()[-3]) == 2 * float(line.split()[-2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "unknown benchmark 'nonsense'"),
        (["passes", "--compare", "old", "old"], "two files and nothing else"),
        (["--compare", "missing.json"], "missing.json"),
        (["--compare", "bad"], "holds no results"),
    ],
)
def test_what_cannot_be_run_is_refused(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    results(tmp_path, "old")
    (tmp_path / "bad").write_text("[]")
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
