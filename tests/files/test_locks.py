"""Locks of directories, and what killed processes leave behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import eqci_space
from eqci_space.errors import DataError
from eqci_space.files.atomic import remove_leftovers, replaced_directory, replaced_file, write_atomically
from eqci_space.files.locks import writing_lock

ROOT = Path(eqci_space.__file__).parents[1]
HOLDS = """
import sys, time
from pathlib import Path
from eqci_space.files.atomic import replaced_directory, replaced_file
from eqci_space.files.locks import writing_lock
target = Path(sys.argv[1])
with writing_lock(target), replaced_directory(target) as work, replaced_file(target.parent / "f.csv") as file:
    (work / "half").write_text("x")
    file.write_text("half")
    print("ready", flush=True)
    time.sleep(60)
"""
MOVED_AWAY = """
import os, signal, sys
from pathlib import Path
from eqci_space.files import atomic
moved, calls = os.replace, []
def replace(source, target):
    if calls:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(moved(source, target))
atomic.os.replace = replace
with atomic.replaced_directory(Path(sys.argv[1])) as work:
    (work / "new").write_text("x")
"""


def started(code, target):
    return subprocess.Popen(
        [sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture
def holder(tmp_path):
    """A process that is writing to `run` and to `f.csv`."""
    process = started(HOLDS, tmp_path / "run")
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait(30)


def test_a_second_writer_is_told_who_the_first_is(tmp_path, holder):
    words = rf"another run \(process {holder.pid}\) is writing to '.*run'; wait until it has ended, or choose another"
    with pytest.raises(DataError, match=words), writing_lock(tmp_path / "run"):
        pass
    with writing_lock(tmp_path / "other"):
        remove_leftovers(tmp_path)  # what is being written stays
    holder.kill()
    holder.wait(30)
    left = sorted(p.name for p in tmp_path.iterdir())
    assert [n for n in left if n.startswith((".run-", ".f.csv-")) and n.endswith(".eqci-part")] == left[:2]
    assert left[2:] == [".run.lock"]


def test_the_lock_of_a_killed_process_is_taken_over_and_its_litter_removed(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    assert len(list(tmp_path.iterdir())) == 3  # the lock and two places to work
    with writing_lock(tmp_path / "run"), replaced_directory(tmp_path / "run") as work:
        (work / "whole").write_text("x")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["run", "whole"]


def test_an_earlier_directory_that_a_killed_process_had_moved_away_comes_back(tmp_path):
    with replaced_directory(tmp_path / "run") as work:
        (work / "old").write_text("x")
    assert started(MOVED_AWAY, tmp_path / "run").wait(60) == -signal.SIGKILL
    assert not (tmp_path / "run").exists()
    remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["old", "run"]


def test_a_block_within_a_block_holds_and_another_thread_does_not(tmp_path):
    found = []

    def other():
        try:
            with writing_lock(tmp_path / "run"):
                found.append("locked")
        except DataError as error:
            found.append(str(error))

    with writing_lock(tmp_path / "run"), writing_lock(tmp_path / "sub" / ".." / "run"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert "is writing to" in found[0]
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_ours_stays(tmp_path):
    for name in (".a-12345678.eqci-part", ".b.eqci-part", "c.eqci-part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "away").mkdir()
    (tmp_path / ".d-12345678.eqci-part").symlink_to(tmp_path / "away")
    (tmp_path / ".e-12345678.eqci-part").touch()
    before = sorted(tmp_path.rglob("*"))
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "missing")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / ".g-12345678.eqci-part").mkdir()  # killed between two steps
    remove_leftovers(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / ".run.lock").symlink_to(tmp_path / "mine")
    with pytest.raises(DataError, match=r"cannot make the lock '\.run\.lock'"), writing_lock(tmp_path / "run"):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_file_named_like_anything_can_be_written(tmp_path):
    for name in ("work", "earlier", "lock", "𠀀" * 63):
        write_atomically(tmp_path / name, name)
        assert (tmp_path / name).read_text(encoding="utf-8") == name
    assert len(list(tmp_path.iterdir())) == 4


def test_writers_that_take_turns_all_succeed(tmp_path):
    """None takes the place to work of another for a leftover."""

    def write(number):
        for i in range(30):
            with replaced_file(tmp_path / f"{number}-{i}") as work:
                work.write_text("x")
                remove_leftovers(tmp_path)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(tmp_path.iterdir())) == 90
