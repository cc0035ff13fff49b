"""Passes to candidates over chunks: the tables of the stages on the whole period, however it is cut."""

import errno
import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from eqci_space.errors import DataError
from eqci_space.linkbudget.budget import link_budget
from eqci_space.machine.checkpoints import record_text
from eqci_space.machine.parallel import ChunkError
from eqci_space.ogs.sampling import sample_windows
from eqci_space.ogs.windows import observable_windows
from eqci_space.orbits.passes import find_passes
from eqci_space.qkd.window_keys import window_keys
from eqci_space.scenario import CircularOrbit, load_scenario
from eqci_space.scenario.packed import content_sha256, packed_scenario, unpacked_scenario
from eqci_space.schedule.candidates import contact_candidates
from eqci_space.studies import batch
from eqci_space.studies.batch import (
    BATCH_TABLES,
    batch_chunks,
    chunk_tables,
    load_batch,
    run_batch,
)


def files(folder):
    return {name: (folder / f"{name}.parquet").read_bytes() for name in BATCH_TABLES}


def stages(scenario):
    """The tables of the stages, one after the other on the whole period."""
    passes = find_passes(scenario)
    windows = observable_windows(passes, scenario)
    budget = link_budget(sample_windows(windows, scenario), scenario)
    keys = window_keys(budget, scenario)
    return {
        "passes": passes,
        "windows": windows,
        "keys": keys.loc[windows.index],
        "candidates": contact_candidates(budget, keys, scenario),
    }


def assert_same(tables, expected, *, microseconds):
    """Same rows in the same order and the same whole bits of key; times to microseconds, culminations to a ms."""
    for name, table in expected.items():
        found = tables[name]
        assert list(found.index) == list(table.index), name
        assert found.index.name == table.index.name
        for column in table.columns:
            if isinstance(table[column].dtype, pd.DatetimeTZDtype):
                limit = 1e-3 if column == "tca" else microseconds * 1e-6
                moved = (found[column] - table[column]).abs().dt.total_seconds().max()
                assert moved <= limit, (name, column)
            elif column == "parameters":
                # Times that differ by a microsecond may end a search elsewhere on a flat optimum, in few windows.
                elsewhere = (found[column] != table[column]).to_numpy()
                assert elsewhere.sum() <= max(1, len(table) // 20), name
                both = ([list(json.loads(text).values()) for text in t[column]] for t in (found, table))
                np.testing.assert_allclose(*both, rtol=5e-3, err_msg=f"{name} {column}")
            elif table[column].dtype.kind == "f":
                limit = np.full(len(table), 0 if column == "skl_bit" else 1e-8)
                if column in ("sifted_bit", "qber") and name == "keys":
                    limit[(found["parameters"] != table["parameters"]).to_numpy()] = 1e-4
                off = (found[column] - table[column]).abs().to_numpy()
                if column == "skl_bit" and name == "candidates":  # whole bits: one in a thousand parts lies on an edge
                    assert np.count_nonzero(off) <= max(1, len(off) // 1000)
                    limit = 1 / table[column].to_numpy()
                assert (off <= limit * table[column].abs().to_numpy()).all(), (name, column, off.max())
            else:
                assert (found[column].astype(str) == table[column].astype(str)).all(), (name, column)


@pytest.fixture(scope="module")
def expected(scenario):
    return stages(scenario)


@pytest.fixture(scope="module")
def two_satellites(scenario):
    first = scenario.satellites[0]
    orbit = CircularOrbit(kind="circular", altitude_km=600, inclination_deg=55, raan_deg=100)
    second = first.model_copy(update={"name": "A-SECOND", "orbit": orbit})
    return scenario.model_copy(update={"satellites": (first, second), "end": scenario.start + timedelta(days=4)})


@pytest.fixture(scope="module")
def two_days(scenario):
    return scenario.model_copy(update={"end": scenario.start + timedelta(days=2)})


@pytest.mark.parametrize("chunk_day", [0.37, 1.0])
def test_chunks_give_the_tables_of_the_stages(scenario, expected, tmp_path, chunk_day):
    rows = run_batch(scenario, tmp_path, chunk_day=chunk_day)
    assert rows == {name: len(table) for name, table in expected.items()}
    assert (rows["passes"], rows["windows"]) == (91, 46)
    assert_same(load_batch(tmp_path), expected, microseconds=20)


def test_one_chunk_is_the_stages_to_the_last_digit(scenario, expected, tmp_path):
    run_batch(scenario, tmp_path, chunk_day=7.0)
    for name, table in load_batch(tmp_path).items():
        for column in expected[name].columns:
            assert (table[column].to_numpy() == expected[name][column].to_numpy()).all(), (name, column)


def test_two_satellites_come_in_order_of_time(two_satellites, tmp_path):
    both = two_satellites.model_copy(update={"end": two_satellites.start + timedelta(days=2)})
    run_batch(both, tmp_path, chunk_day=0.5)
    tables = load_batch(tmp_path)
    assert_same(tables, stages(both), microseconds=20)
    assert tables["passes"]["satellite"].nunique() == 2
    assert tables["passes"]["aos"].is_monotonic_increasing


def test_no_pass_is_split_where_a_chunk_ends_inside_it(scenario):
    passes = find_passes(scenario)
    middle = passes.iloc[10]["aos"] + (passes.iloc[10]["los"] - passes.iloc[10]["aos"]) / 2
    length = (middle - pd.Timestamp(scenario.start)).total_seconds() / 86400
    first, second = (chunk_tables(c)["passes"] for c in batch_chunks(scenario, chunk_day=length)[:2])
    assert list(first.index) == list(passes.index[: len(first)])
    assert passes.index[10] in first.index
    assert not (set(first.index) & set(second.index))
    row = first.loc[passes.index[10]]
    assert abs(row["los"] - passes.iloc[10]["los"]) < pd.Timedelta(microseconds=20)
    assert not row["truncated"]


def test_a_pass_of_hours_belongs_to_the_chunk_in_which_it_begins(scenario):
    orbit = CircularOrbit(kind="circular", altitude_km=20_000, inclination_deg=55)
    high = scenario.satellites[0].model_copy(update={"orbit": orbit})
    long = scenario.model_copy(update={"satellites": (high,), "end": scenario.start + timedelta(days=3)})
    passes = find_passes(long)
    assert (passes["los"] - passes["aos"]).max() > pd.Timedelta(hours=4)
    found = pd.concat([chunk_tables(c)["passes"] for c in batch_chunks(long, chunk_day=0.1)])
    assert list(found.index) == list(passes.index)
    assert (found["los"] - passes["los"]).abs().max() < pd.Timedelta(milliseconds=1)
    assert list(found["truncated"]) == list(passes["truncated"])


def test_common_parameters_keep_a_satellite_in_one_chunk(scenario):
    common = scenario.model_copy(update={"protocol": scenario.protocol.model_copy(update={"parameters": "common"})})
    (chunk,) = batch_chunks(common, chunk_day=1.0)
    assert datetime.fromisoformat(chunk.start) == scenario.start
    assert datetime.fromisoformat(chunk.end) == scenario.end
    assert len(batch_chunks(scenario, chunk_day=1.0)) == 7


def test_chunks_cover_the_period_without_gap(two_satellites):
    chunks = batch_chunks(two_satellites, chunk_day=1.5)
    assert [c.satellite for c in chunks] == ["EAGLE1-LIKE", "A-SECOND"] * 3
    assert [c.start for c in chunks[2::2]] == [c.end for c in chunks[:-2:2]]
    assert datetime.fromisoformat(chunks[-1].end) == two_satellites.end


def test_a_scenario_survives_packing(scenario):
    again = unpacked_scenario(packed_scenario(scenario))
    assert again.model_dump() == scenario.model_dump()
    assert (again.file, again.sha256, again.inputs) == (scenario.file, scenario.sha256, scenario.inputs)
    assert packed_scenario(again) == packed_scenario(scenario)


def test_a_workers_own_folder_does_not_matter(edited, monkeypatch):
    path = edited()
    monkeypatch.chdir(path.parent)
    assert unpacked_scenario(packed_scenario(load_scenario(path.name))).file == str(path)


def test_records_stay_small_with_a_hundred_stations_and_fifty_satellites(scenario):
    stations = {f"{name}-{i}": s for i in range(20) for name, s in scenario.stations.items()}
    satellites = tuple(scenario.satellites[0].model_copy(update={"name": f"S{i}"}) for i in range(50))
    large = scenario.model_copy(update={"stations": stations, "satellites": satellites})
    assert len(record_text(batch_chunks(large)[0]).encode()) < 20_000


def test_any_change_of_the_scenario_is_another_record(scenario):
    other = scenario.model_copy(update={"seed": scenario.seed + 1})
    changed_file = scenario.model_copy(update={"inputs": (("elements.json", "00"),)})
    marked = scenario.model_copy(update={"bin_marks": (scenario.start + timedelta(hours=30),)})
    assert len({packed_scenario(s) for s in (scenario, other, changed_file, marked)}) == 4
    assert len({content_sha256(s) for s in (scenario, other, changed_file, marked)}) == 4
    assert unpacked_scenario(packed_scenario(marked)).bin_marks == marked.bin_marks


def test_no_night_gives_empty_tables_in_contract(scenario, tmp_path):
    noon = scenario.start.replace(hour=11)
    day = scenario.model_copy(update={"start": noon, "end": noon + timedelta(minutes=10)})
    rows = run_batch(day, tmp_path)
    assert rows["windows"] == rows["keys"] == rows["candidates"] == 0
    assert {name: len(table) for name, table in load_batch(tmp_path).items()} == rows


def test_fibre_alone_gives_empty_tables(edited, tmp_path):
    bare = load_scenario(edited()).model_copy(update={"satellites": ()})
    assert run_batch(bare, tmp_path) == dict.fromkeys(BATCH_TABLES, 0)
    assert all(table.empty for table in load_batch(tmp_path).values())


def test_responses_come_with_the_keys(scenario):
    chunk = batch_chunks(scenario, chunk_day=1.0, extra_loss_db=(0.0, 3.0))[0]
    tables = chunk_tables(chunk)
    assert list(tables["responses"].columns) == ["0.0", "3.0"]
    at_zero = tables["responses"]["0.0"].loc[tables["keys"].index]
    np.testing.assert_allclose(at_zero, tables["keys"]["skl_bit"], atol=1.0)
    assert (tables["responses"]["3.0"] < at_zero).all()


def test_the_note_says_what_was_run(two_days, tmp_path):
    run_batch(two_days, tmp_path, chunk_day=1.5)
    note = json.loads((tmp_path / "batch.json").read_text())
    assert (note["schema_version"], note["chunks"], note["chunk_day"]) == (1, 2, 1.5)
    assert note["scenario"]["sha256"] == two_days.sha256
    assert note["rows"]["passes"] == pq.read_metadata(tmp_path / "passes.parquet").num_rows
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["batch.json", *(f"{n}.parquet" for n in BATCH_TABLES)])


def test_an_earlier_batch_is_replaced_and_check_points_are_used(two_days, tmp_path):
    kept, counts = tmp_path / "kept", []
    run_batch(two_days, tmp_path / "out", chunk_day=1.5, checkpoint=kept)
    before = files(tmp_path / "out")
    (tmp_path / "out" / "keys.parquet").write_bytes(b"rubbish")
    run_batch(two_days, tmp_path / "out", chunk_day=1.5, checkpoint=kept, progress=counts.append)
    assert counts == [2]
    assert files(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no finished batch"),
        ("{", "no finished batch"),
        ('{"schema_version": 99}', "schema version 99; this version reads 1"),
        ("[]", "schema version None"),
        ('{"schema_version": 1}', "load_batch: '.*': passes.parquet is missing or damaged"),
    ],
)
def test_what_is_no_batch_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "batch.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_batch(tmp_path)


@pytest.mark.parametrize("step", ["write_table", "close"])
def test_a_full_disk_while_tables_are_written_leaves_no_table(two_days, tmp_path, monkeypatch, step):
    end = pq.ParquetWriter.close

    def full(self, *_, **__):
        if step == "close":
            end(self)  # what the disk did not take is lost, and the writer is closed
        raise OSError(errno.ENOSPC, "No space left on device")

    run_batch(two_days, tmp_path / "first", checkpoint=tmp_path / "kept")
    monkeypatch.setattr(pq.ParquetWriter, step, full)
    with pytest.raises(DataError, match=r"cannot write 'passes\.parquet'.*No space left"):
        run_batch(two_days, tmp_path / "second", checkpoint=tmp_path / "kept")
    assert list((tmp_path / "second").iterdir()) == []


def test_what_was_finished_before_a_failure_is_not_done_again(scenario, tmp_path, monkeypatch):
    """By default finished chunks stay in the directory until all are."""
    good, counts = batch.find_passes, []
    four_days = scenario.model_copy(update={"end": scenario.start + timedelta(days=4)})

    def bad(some, **period):
        if period["start"] > scenario.start + timedelta(days=1):
            raise MemoryError("no room")
        return good(some, **period)

    monkeypatch.setattr(batch, "find_passes", bad)
    with pytest.raises(ChunkError, match=r"2 of 4 chunks failed; the others are kept in .*\.chunks"):
        run_batch(four_days, tmp_path, chunk_day=1.0)
    assert not (tmp_path / "batch.json").exists()
    monkeypatch.setattr(batch, "find_passes", good)
    run_batch(four_days, tmp_path, chunk_day=1.0, progress=counts.append)
    assert counts == [2, 1, 1]
    assert not (tmp_path / ".chunks").exists()


def test_a_folder_that_cannot_be_made_is_named(scenario, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="choose another folder"):
        run_batch(scenario, tmp_path / "file")


@pytest.mark.parametrize("chunk_day", [0.0, -1.0, float("nan")])
def test_lengths_out_of_range_are_refused(scenario, chunk_day):
    with pytest.raises(DataError, match="expected a positive number of days"):
        batch_chunks(scenario, chunk_day=chunk_day)


def test_samples_live_only_inside_a_chunk(scenario, monkeypatch):
    """The largest table of samples is that of a chunk, not of the period."""
    sizes = []
    whole = len(sample_windows(observable_windows(find_passes(scenario), scenario), scenario))

    def counted(windows, some):
        samples = sample_windows(windows, some)
        sizes.append(len(samples))
        return samples

    monkeypatch.setattr(batch, "sample_windows", counted)
    for chunk in batch_chunks(scenario, chunk_day=0.5):
        chunk_tables(chunk)
    assert sum(sizes) == whole
    assert max(sizes) < whole / 5
