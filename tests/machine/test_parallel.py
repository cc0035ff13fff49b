"""Chunks: the same results on every executor, failures that lose nothing, check-points."""

import errno
import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import chunk_functions as cf
import pandas as pd
import pytest

from eqci_space.errors import DataError, EqciError
from eqci_space.machine import checkpoints
from eqci_space.machine.checkpoints import Checkpoints, record_text
from eqci_space.machine.parallel import ChunkError, run_chunks
from eqci_space.machine.workers import threads_per_process


def chunks(count, folder=""):
    return [cf.Numbered(i, str(folder)) for i in range(count)]


def digest(results):
    return hashlib.sha256(b"".join(table.to_parquet() for table in results)).hexdigest()


@pytest.fixture(scope="module")
def serial():
    return digest(run_chunks(cf.squares, chunks(6)))


def test_results_are_in_order_of_the_chunks():
    assert list(run_chunks(cf.number, chunks(5))) == [0, 1, 2, 3, 4]
    assert list(run_chunks(cf.number, [])) == []


def test_threads_give_the_same_bytes(serial):
    with ThreadPoolExecutor(3) as pool:
        assert digest(run_chunks(cf.squares, chunks(6), executor=pool)) == serial


def test_two_processes_give_the_same_bytes(serial):
    assert digest(run_chunks(cf.squares, chunks(6), jobs=2)) == serial


def test_a_folder_gives_the_same_bytes(serial, tmp_path):
    assert digest(run_chunks(cf.squares, chunks(6), checkpoint=tmp_path)) == serial
    assert digest(run_chunks(cf.squares, chunks(6), checkpoint=tmp_path)) == serial


def test_workers_are_other_processes_with_one_thread_each(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    seen = list(run_chunks(cf.process_and_threads, chunks(4), jobs=2))
    assert os.getpid() not in {pid for pid, _ in seen}
    assert {threads for _, threads in seen} == {"1"}
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_users_number_of_threads_stands(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert run_chunks(cf.process_and_threads, chunks(1), jobs=2)[0][1] == "3"
    assert threads_per_process() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert threads_per_process() == os.cpu_count()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_poisoned_chunk_is_reported_with_its_inputs_and_loses_no_other(tmp_path, jobs):
    with pytest.raises(ChunkError, match="1 of 6 chunks failed") as caught:
        run_chunks(cf.poisoned_third, chunks(6, tmp_path), jobs=jobs)
    (failure,) = caught.value.failures
    assert (failure.number, failure.attempts) == (3, 3)
    assert failure.error == "LookupError: no such star"
    assert json.loads(failure.record) == {"number": 3, "folder": str(tmp_path)}
    assert "poisoned_third" in failure.traceback
    assert list(caught.value.results) == [0, 1, 2, None, 4, 5]


@pytest.mark.parametrize("jobs", [1, 2])
def test_our_own_errors_are_not_tried_again(tmp_path, jobs):
    with pytest.raises(ChunkError, match=r"ScenarioError: a\.toml: 1 problem") as caught:
        run_chunks(cf.wrong_scenario, chunks(3, tmp_path), jobs=jobs)
    assert caught.value.failures[0].attempts == 1
    assert list(caught.value.results) == [0, None, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_passing_trouble_passes(tmp_path, jobs):
    assert list(run_chunks(cf.flaky, chunks(3, tmp_path), jobs=jobs)) == [0, 1, 2]
    assert len(list(tmp_path.iterdir())) == 9


def test_a_process_that_dies_is_replaced(serial, tmp_path):
    assert digest(run_chunks(cf.dies_once, chunks(6, tmp_path), jobs=2)) == serial


def test_a_chunk_that_kills_its_process_takes_no_other_with_it():
    with pytest.raises(ChunkError, match="ended abruptly") as caught:
        run_chunks(cf.dies_always, chunks(5), jobs=2, retries=0)
    assert [(f.number, f.attempts) for f in caught.value.failures] == [(2, 2)]
    assert list(caught.value.results) == [0, 1, None, 3, 4]


def test_when_no_process_lives_the_rest_is_not_tried():
    chunks_that_kill = [cf.Numbered(2) for _ in range(7)]
    with pytest.raises(ChunkError, match="7 of 7 chunks failed") as caught:
        run_chunks(cf.dies_always, chunks_that_kill, jobs=2, retries=0)
    assert sum("was not tried" in f.error for f in caught.value.failures) >= 3


def test_an_executor_of_others_that_breaks_is_reported():
    with ProcessPoolExecutor(1) as pool, pytest.raises(ChunkError) as caught:
        run_chunks(cf.dies_always, chunks(4), executor=pool)
    assert 2 in {f.number for f in caught.value.failures}
    assert all("BrokenExecutor" in f.error for f in caught.value.failures)


def test_an_interrupt_keeps_finished_chunks(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run_chunks(cf.interrupted_at_fourth, chunks(9), checkpoint=tmp_path)
    assert len(list(tmp_path.glob("*.json"))) == 4


def test_progress_counts_every_chunk_once(tmp_path):
    counts = []
    run_chunks(cf.number, chunks(3), checkpoint=tmp_path, progress=counts.append)
    run_chunks(cf.number, chunks(5), checkpoint=tmp_path, progress=counts.append)
    assert counts == [1, 1, 1, 3, 1, 1]


def test_finished_chunks_are_not_done_again_and_failed_ones_are(tmp_path):
    work, kept = tmp_path / "work", tmp_path / "kept"
    work.mkdir()
    with pytest.raises(ChunkError, match="kept in"):
        run_chunks(cf.poisoned_third, chunks(5, work), checkpoint=kept)
    assert len(list(kept.glob("*.failed.json"))) == 1
    note = json.loads(next(kept.glob("*.failed.json")).read_text())
    assert (note["record"]["number"], note["attempts"]) == (3, 3)
    with pytest.raises(ChunkError):
        run_chunks(cf.poisoned_third, chunks(5, work), checkpoint=kept, retries=0)
    assert len(list(work.glob("3-*"))) == 4
    assert len(list(work.glob("1-*"))) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
@pytest.mark.parametrize("pattern", ["*.json", "*.parquet"])
def test_a_damaged_check_point_is_made_again(serial, tmp_path, damage, pattern):
    run_chunks(cf.squares, chunks(6), checkpoint=tmp_path)
    damage(sorted(tmp_path.glob(pattern))[2])
    counts = []
    assert digest(run_chunks(cf.squares, chunks(6), checkpoint=tmp_path, progress=counts.append)) == serial
    assert counts == [5, 1]


def test_names_depend_on_function_record_and_version(tmp_path, monkeypatch):
    names = {Checkpoints(tmp_path, f).name(record_text(c)) for f in (cf.number, cf.squares) for c in chunks(2)}
    monkeypatch.setattr(checkpoints.importlib.metadata, "version", lambda _: "99.0")
    names |= {Checkpoints(tmp_path, cf.number).name(record_text(c)) for c in chunks(2)}
    assert len(names) == 6


def test_records_are_canonical_text():
    record = {"b": (1, 2.5), "a": datetime(2027, 3, 1, tzinfo=UTC), "c": cf.Numbered(4)}
    expected = '{"a":"2027-03-01T00:00:00+00:00","b":[1,2.5],"c":{"folder":"","number":4}}'
    assert record_text(record) == expected
    assert record_text(dict(reversed(record.items()))) == expected


@pytest.mark.parametrize("record", [object(), {1: 2}, float("nan"), {"a": {2}}])
def test_records_of_other_kinds_are_refused(record):
    with pytest.raises(EqciError, match="expected finite numbers, text, times"):
        run_chunks(cf.number, [record])


def test_a_large_record_is_refused():
    with pytest.raises(EqciError, match="chunk 1 has 20002 bytes; expected at most 20000"):
        run_chunks(cf.number, ["a", "a" * 20_000])


def test_functions_without_a_name_are_refused(tmp_path):
    with pytest.raises(EqciError, match="define it at the top of a module"):
        run_chunks(lambda chunk: chunk, chunks(1), checkpoint=tmp_path)
    assert list(run_chunks(lambda chunk: chunk.number, chunks(2))) == [0, 1]


@pytest.mark.parametrize("bad", [{"jobs": 0}, {"retries": -1}])
def test_numbers_out_of_range_are_refused(bad):
    with pytest.raises(EqciError, match="expected at least 1 and at least 0"):
        run_chunks(cf.number, chunks(1), **bad)


def test_every_kind_of_result_comes_back_as_it_was(tmp_path):
    table = cf.squares(cf.Numbered(1)).set_index("at")
    store = Checkpoints(tmp_path, cf.number)
    for name, result in (("a", {"x": [1, 2.5, None]}), ("b", table), ("c", {"one": table, "two": table.iloc[:0]})):
        store.save(name, "{}", result)
    assert store.load("a") == {"x": [1, 2.5, None]}
    pd.testing.assert_frame_equal(store.load("b"), table, check_freq=False)
    assert list(store.load("c")) == ["one", "two"]
    pd.testing.assert_frame_equal(store.load("c")["two"], table.iloc[:0], check_freq=False)
    with pytest.raises(DataError, match="missing or damaged; run again"):
        store.load("d")


def test_a_full_disk_is_named_and_leaves_no_file(tmp_path, monkeypatch):
    def full(self, content):
        Path(self).touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot write '[0-9a-f]+\.json'.*No space left on device; make room"):
        run_chunks(cf.number, chunks(1), checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot make the folder"):
        run_chunks(cf.number, chunks(1), checkpoint=tmp_path / "file")
