"""Runs that meet others, signals, full disks, pipes that close, and terminals of other encodings."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from eqci_space.cli import runs
from eqci_space.files.locks import lock_file, locked

EQCI = [sys.executable, "-m", "eqci_space.cli"]
TWO_STATIONS = ('use = ["DLR-OP", "DLR-TRAUEN", "GRAZ", "PQSAT", "ONDREJOV"]', 'use = ["DLR-OP", "PQSAT"]')


@pytest.fixture
def no_work(monkeypatch):
    """Whatever is asked for must be refused before any work."""
    monkeypatch.setattr("eqci_space.study.find_passes", lambda *_: pytest.fail("work was begun"))
    monkeypatch.setattr("eqci_space.studies.batch.find_passes", lambda *_: pytest.fail("work was begun"))


@pytest.fixture
def finished(short_run, tmp_path):
    """A copy of a finished run."""
    shutil.copytree(short_run[0], tmp_path / "run")
    return tmp_path / "run"


# ---------------------------------------------------------------- a run and another


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_a_finished_run_is_not_overwritten(eqci, short, finished, more):
    before = {p.name: p.read_bytes() for p in finished.iterdir()}
    done = eqci("run", short(), "--out", finished, "--trials", "0", *more)
    words = f"error: write_directory: '{finished}' holds a finished run; give --force (force=True) to replace it, or"
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(words)
    assert {p.name: p.read_bytes() for p in finished.iterdir()} == before


@pytest.mark.usefixtures("blank")
def test_force_replaces_a_finished_run(eqci, short, finished):
    (finished / "left.txt").touch()
    done = eqci("run", short(), "--out", finished, "--trials", "0", "--force", "--previous", finished)
    assert done.exit_code == 0, done.stderr
    assert (finished / "run.json").is_file()
    assert not (finished / "left.txt").exists()
    assert sorted(p.name for p in finished.parent.iterdir()) == ["edited.toml", "run"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("more", [[], ["--resume"], ["--jobs", "2"]])
def test_a_second_run_into_one_directory_is_refused(eqci, short, tmp_path, more):
    handle = lock_file(tmp_path / ".out.lock")
    os.write(handle, b"4711\n")
    os.lseek(handle, 0, os.SEEK_SET)
    assert locked(handle)
    done = eqci("run", short(), "--out", tmp_path / "out", "--trials", "0", *more)
    os.close(handle)
    words = f"error: another run (process 4711) is writing to '{tmp_path / 'out'}'; wait until it has ended, or choose"
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(words)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("contacts.ics", "DTSTART:2027", "DTSTART:x027", "contacts.ics of 'run' is no calendar of this tool"),
        ("contacts.ics", "UID:", "UIDS:", "an event lacks UID"),
        ("contacts.ics", "SEQUENCE:0", "SEQUENCE:99999999999", "SEQUENCE is '99999999999'"),
        ("contacts.ics", "END:VCALENDAR", "", "it ends before the calendar does"),
        ("run.json", '"gap": ', '"gap": "', "is damaged"),
        ("run.json", '"counts": {', '"counts": 1, "_": {', "counts is not a table of numbers"),
        ("run.json", '"start": "2027', '"start": "x', "scenario.start is not a time with its zone"),
    ],
)
def test_a_previous_run_that_is_damaged_is_refused_before_any_work(
    eqci, short, finished, tmp_path, file, old, new, message
):
    text = (finished / file).read_bytes().decode()
    assert old in text
    (finished / file).write_bytes(text.replace(old, new).encode())
    for command in (["run", short(), "--out", tmp_path / "new", "--resume"], ["report", short(), "--out", "x.html"]):
        done = eqci(*command, "--trials", "0", "--previous", finished)
        assert (done.exit_code, done.stdout, message in done.stderr) == (2, "", True), done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("no_work")
def test_an_absent_scheduler_is_named_within_the_stated_time(eqci, short, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SCHEDULER_ANSWERS_S", 2)
    for address, why in (("tcp://127.0.0.1:9", ""), ("nonsense", "missing port number"), ("tcp://127.0.0.1", "port")):
        begin = time.monotonic()
        done = eqci("run", short(), "--out", tmp_path / "out", "--trials", "0", "--scheduler", address)
        assert time.monotonic() - begin < 30
        assert done.exit_code == 2, done.exception
        assert f"error: --scheduler {address}: no dask scheduler answers within 2 s" in done.stderr
        assert why in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["edited.toml"]


def test_a_link_in_place_of_the_kept_chunks_is_refused(eqci, short, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".out-batch").symlink_to(tmp_path / "elsewhere")
    done = eqci("run", short(), "--out", tmp_path / "out", "--trials", "0", "--resume")
    assert (done.exit_code, "is a link" in done.stderr) == (2, True)
    assert list((tmp_path / "elsewhere").iterdir()) == []


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
def test_what_is_asked_to_end_keeps_finished_chunks_and_locks_nothing(edited, tmp_path, number, code):
    path = edited(("end = 2027-03-08T12:00:00Z", "end = 2027-06-08T12:00:00Z"), TWO_STATIONS)
    command = [*EQCI, "run", str(path), "--out", str(tmp_path / "out"), "--resume"]
    kept = tmp_path / ".out-batch" / ".chunks"
    before = {s: signal.signal(s, signal.SIG_DFL) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    with process:
        limit = time.monotonic() + 120
        while not list(kept.glob("[!.]*.json")):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < limit
            time.sleep(0.02)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (code, "")
    assert list(kept.glob("[!.]*.json"))
    assert not (tmp_path / "out").exists()
    if code > 0:
        assert stderr.splitlines()[-1] == f"ended by {signal.Signals(number).name}"
        assert "--resume goes on from them" in stderr
        assert sorted(p.name for p in tmp_path.iterdir()) == [".out-batch", "edited.toml"]
    from eqci_space.report.run_io import target_lock

    with target_lock(tmp_path / "out", force=False):
        pass
    assert sorted(p.name for p in tmp_path.iterdir() if ".lock" in p.name) == [] or number == signal.SIGKILL


# ---------------------------------------------------------------- stdout


def called(*arguments, **options):
    return subprocess.run([*EQCI, *arguments], capture_output="stdout" not in options, check=False, **options)


# Two commands in one process, which loads the libraries once; a zero byte between what they print.
BOTH = """
import sys
from eqci_space.cli import main
for more in ([], ["--json"]):
    sys.argv = ["eqci", "check", "quant-gpicz", *more]
    try:
        main()
    except SystemExit as done:
        assert done.code in (None, 0), done.code
    print(end="\\0", flush=True)
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp850"])
def test_any_encoding_of_stdout_works(encoding):
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", BOTH], capture_output=True, check=False, env=env)
    assert (done.returncode, b"internal" in done.stderr) == (0, False), done.stderr
    said, document, rest = done.stdout.split(b"\0")
    assert b"quant-gpicz" in said.lower()
    assert json.loads(document.decode("ascii"))["valid"] is True
    assert rest == b""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["check", "quant-gpicz"], ["schema"], ["--help"]])
def test_a_full_stdout_is_named(arguments):
    with open("/dev/full", "wb") as full:
        done = called(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("error: cannot write to stdout: No space left on device; write to a file")
    assert done.stderr.count(b"\n") == 1


def test_a_stdout_whose_reader_has_ended_is_named():
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = called("check", "quant-gpicz", stdout=writing, stderr=subprocess.PIPE)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert done.stderr.startswith(b"error: cannot write to stdout: its reader has ended; ")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_stderr_changes_no_exit_code():
    with open("/dev/full", "wb") as full:
        assert called("check", "nowhere", stderr=full, stdout=subprocess.PIPE).returncode == 2
        assert called("check", "quant-gpicz", stderr=full, stdout=subprocess.PIPE).returncode == 0


def test_no_memory_is_said_in_words(eqci, short, monkeypatch):
    def greedy(scenario):
        raise MemoryError

    monkeypatch.setattr("eqci_space.orbits.passes.find_passes", greedy)
    done = eqci("passes", short())
    assert done.exit_code == 2
    assert done.stderr.startswith("error: out of memory; plan a shorter period or fewer satellites, start fewer")
