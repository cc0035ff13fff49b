"""Parquet files that are far larger than they look."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eqci_space.errors import DataError
from eqci_space.files import limits
from eqci_space.files.parquet_io import read_table


def packed(table):
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    return stream.getvalue()


def test_a_small_file_of_many_equal_numbers_is_refused():
    content = packed(pa.table({"x": pa.array([0] * 40_000_000, pa.int8())}))
    assert len(content) < 200_000
    with pytest.raises(DataError, match=r"has \d+ bytes and unpacks to 320000000; expected at most 256000000"):
        read_table(content, "test")


@pytest.mark.parametrize("form", ["text", "texts in lists"])
def test_a_small_file_of_one_long_text_is_refused(form):
    texts = pa.array(["x" * 100_000] * 5_000)
    column = texts if form == "text" else pa.ListArray.from_arrays(list(range(0, 5_001, 5)), texts)
    content = packed(pa.table({"x": column}))
    assert len(content) < 100_000
    with pytest.raises(DataError, match=r"and unpacks to 5001\d{5}; expected"):
        read_table(content, "test")


def test_what_is_small_or_honest_is_read(monkeypatch):
    table = pd.DataFrame({"x": ["a"] * 1000, "y": [["a", "b"]] * 1000, "t": pd.Timestamp("2027-03-01", tz="UTC")})
    found = read_table(packed(pa.Table.from_pandas(table)), "test")
    assert found["x"].tolist() == table["x"].tolist()
    assert [list(v) for v in found["y"]] == table["y"].tolist()
    monkeypatch.setattr("eqci_space.files.parquet_io.UNPACKED_SIZE", 1000)
    read_table(packed(pa.Table.from_pandas(table[["t"]].head(10))), "test")
    assert limits.UNPACKED_SIZE == 256_000_000
