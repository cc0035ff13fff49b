"""Runs that are killed, interrupted or lose a worker give the bytes of one that ran through."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta

import chunk_functions as cf
import psutil
import pytest
from distributed import Client, LocalCluster

from eqci_space.errors import DataError
from eqci_space.machine.parallel import ChunkError, run_chunks
from eqci_space.scenario import load_scenario
from eqci_space.studies.batch import BATCH_TABLES, load_batch, run_batch

pytestmark = pytest.mark.slow

CHUNK_DAY, CHUNKS = 0.2, 20
DRIVER = """
import sys
from datetime import timedelta
from eqci_space.studies.batch import run_batch

from eqci_space.scenario import load_scenario

if __name__ == "__main__":
    out, jobs = sys.argv[1:]
    scenario = load_scenario("quant-gpicz")
    stations = {name: scenario.stations[name] for name in ("DLR-OP", "PQSAT")}
    scenario = scenario.model_copy(update={"end": scenario.start + timedelta(days=4), "stations": stations})
    run_batch(scenario, out, chunk_day=0.2, jobs=int(jobs))
"""
CLUSTER = """
import os, sys, time
from distributed import LocalCluster
if __name__ == "__main__":
    one = dict(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, host="tcp://127.0.0.1")
    with LocalCluster(**one) as cluster:
        with open(sys.argv[1] + ".part", "w") as stream:
            stream.write(cluster.scheduler_address)
        os.rename(sys.argv[1] + ".part", sys.argv[1])
        time.sleep(120)
"""


def files(folder):
    return {name: (folder / f"{name}.parquet").read_bytes() for name in [*BATCH_TABLES]} | {
        "note": (folder / "batch.json").read_bytes()
    }


@pytest.fixture(scope="module")
def four_days():
    """Four days of the shipped scenario over two of its stations, as the driver loads it."""
    scenario = load_scenario("quant-gpicz")
    stations = {name: scenario.stations[name] for name in ("DLR-OP", "PQSAT")}
    return scenario.model_copy(update={"end": scenario.start + timedelta(days=4), "stations": stations})


@pytest.fixture(scope="module")
def through(four_days, tmp_path_factory):
    """The files of a run in one process, without any trouble."""
    folder = tmp_path_factory.mktemp("through")
    run_batch(four_days, folder, chunk_day=CHUNK_DAY)
    return files(folder)


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", memory_limit=None
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def finished(out):
    return [p for p in (out / ".chunks").glob("*.json") if not p.name.startswith(".")]


def begun(tmp_path, jobs, least):
    """A driver in a process of its own that has finished some chunks and not all."""
    script, out = tmp_path / "driver.py", tmp_path / "out"
    script.write_text(DRIVER)
    with (tmp_path / "stderr.txt").open("wb") as stream:
        driver = subprocess.Popen([sys.executable, str(script), str(out), str(jobs)], stderr=stream)
    limit = time.monotonic() + 120
    while len(finished(out)) < least:
        assert driver.poll() is None, (tmp_path / "stderr.txt").read_text()
        assert time.monotonic() < limit
        time.sleep(0.005)
    return driver, out


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_driver_is_resumed_to_the_same_bytes(four_days, through, tmp_path, jobs):
    driver, out = begun(tmp_path, jobs, least=3)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.send_signal(signal.SIGKILL)
    assert driver.wait(30) == -signal.SIGKILL
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their killed parent"
    assert not (out / "batch.json").exists()
    kept, counts = len(finished(out)), []
    assert 3 <= kept < CHUNKS
    run_batch(four_days, out, chunk_day=CHUNK_DAY, progress=counts.append)
    assert counts == [kept, *[1] * (CHUNKS - kept)]
    assert files(out) == through
    assert sorted(p.name for p in out.iterdir()) == sorted(["batch.json", *(f"{n}.parquet" for n in BATCH_TABLES)])


@pytest.mark.usefixtures("hears_interrupts")
def test_an_interrupted_driver_keeps_what_is_finished(four_days, through, tmp_path):
    driver, out = begun(tmp_path, 2, least=3)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(60) != 0
    assert "KeyboardInterrupt" in (tmp_path / "stderr.txt").read_text()
    kept, counts = len(finished(out)), []
    assert 3 <= kept < CHUNKS
    run_batch(four_days, out, chunk_day=CHUNK_DAY, progress=counts.append)
    assert counts[0] == kept
    assert files(out) == through


def test_an_interrupt_lets_processes_finish_their_chunks(tmp_path):
    def once(done):
        if not seen:
            seen.append(done)
            raise KeyboardInterrupt

    seen = []
    chunks = [cf.Numbered(i) for i in range(40)]
    with pytest.raises(KeyboardInterrupt):
        run_chunks(cf.process_and_threads, chunks, jobs=2, checkpoint=tmp_path, progress=once)
    assert 2 <= len(list(tmp_path.glob("*.json"))) <= 8
    assert not [p for p in multiprocessing.active_children() if "Spawn" in p.name]


def test_a_dask_cluster_gives_the_same_bytes(four_days, through, client, tmp_path):
    counts = []
    run_batch(four_days, tmp_path, chunk_day=CHUNK_DAY, executor=client, progress=counts.append)
    assert files(tmp_path) == through
    assert counts == [1] * CHUNKS


def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(four_days, through, client, tmp_path):
    """The worker is killed after the third chunk; the cluster computes anew what it held."""
    killed = []

    def kill_one(_):
        if len(killed) == 2:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        killed.append(None)

    run_batch(four_days, tmp_path, chunk_day=CHUNK_DAY, executor=client, progress=kill_one)
    assert len(killed) == CHUNKS
    assert files(tmp_path) == through


def test_a_dask_scheduler_that_dies_is_told_within_half_a_minute_and_chunks_are_kept(tmp_path):
    """Its client gives up its futures without ending them: whoever waits for them would wait for ever."""
    cluster = [sys.executable, "-c", CLUSTER, str(tmp_path / "address")]
    with subprocess.Popen(cluster, stderr=subprocess.DEVNULL, start_new_session=True) as scheduler:
        try:
            limit = time.monotonic() + 60
            while not (tmp_path / "address").exists():
                assert time.monotonic() < limit
                time.sleep(0.05)
            client = Client((tmp_path / "address").read_text(), timeout=10, set_as_default=False)
            died = []

            def kill(_):
                if not died:
                    died.append(time.monotonic())
                    os.killpg(scheduler.pid, signal.SIGKILL)

            chunks = [cf.Numbered(i) for i in range(500)]
            with pytest.raises(DataError, match=r"the dask scheduler no longer answers; .* are kept"):
                run_chunks(cf.number, chunks, executor=client, checkpoint=tmp_path / "kept", progress=kill)
            assert time.monotonic() - died[0] < 30
        finally:
            if scheduler.poll() is None:
                os.killpg(scheduler.pid, signal.SIGKILL)
    kept = len(list((tmp_path / "kept").glob("*.json")))
    assert 1 <= kept < 500


def test_a_chunk_that_kills_dask_workers_is_reported(client):
    with pytest.raises(ChunkError, match="KilledWorker") as caught:
        run_chunks(cf.dies_always, [cf.Numbered(i) for i in range(4)], executor=client, retries=0)
    assert [f.number for f in caught.value.failures] == [2]
    assert list(caught.value.results) == [0, 1, None, 3]


def test_poison_is_reported_by_dask_as_in_process(client, tmp_path):
    with pytest.raises(ChunkError, match="LookupError: no such star") as caught:
        run_chunks(cf.poisoned_third, [cf.Numbered(i, str(tmp_path)) for i in range(5)], executor=client)
    assert (caught.value.failures[0].number, caught.value.failures[0].attempts) == (3, 3)
    assert list(caught.value.results) == [0, 1, 2, None, 4]


def test_two_processes_give_the_same_bytes(four_days, through, tmp_path):
    run_batch(four_days, tmp_path, chunk_day=CHUNK_DAY, jobs=2)
    assert files(tmp_path) == through


def test_twenty_days_are_the_same_in_process_and_in_two(scenario, tmp_path):
    long = scenario.model_copy(update={"end": scenario.start + timedelta(days=20)})
    run_batch(long, tmp_path / "one")
    run_batch(long, tmp_path / "two", jobs=2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    tables = load_batch(tmp_path / "one")
    assert len(tables["passes"]) == 264
    assert tables["passes"]["aos"].is_monotonic_increasing
