"""Read Parquet files that this tool wrote: a sound table of bounded size, or an error that names the file."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from eqci_space.errors import DataError
from eqci_space.files.limits import UNPACKED_SIZE, UNPACKED_TIMES

__all__ = ["read_table"]

# What pyarrow and pandas raise on content that is cut or altered.
_BROKEN = (
    pa.ArrowException, OSError, MemoryError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError,
    RecursionError,
)  # fmt: skip
_VALUE_BYTES = 8


def read_table(source: Path | bytes, where: str) -> pd.DataFrame:
    """Table of a Parquet file or of its content; `where` opens the message of an error.

    Raises
    ------
    DataError
        It is missing, damaged, or no Parquet, or would unpack to far more than it holds.
    """
    name = source.name if isinstance(source, Path) else "content"
    table, most = None, 0
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        most = max(UNPACKED_SIZE, UNPACKED_TIMES * len(content))
        unpacked = _declared_bytes(content)
        if unpacked <= most:
            packed = pq.read_table(io.BytesIO(content), read_dictionary=_texts(content))
            packed.validate(full=True)  # or bad text would show when it is used
            unpacked += sum(_text_bytes(column) for column in packed.columns)
        if unpacked <= most:
            table = pd.read_parquet(io.BytesIO(content))
    except _BROKEN as error:
        words = ascii(str(error))[1:200]  # which may quote the broken bytes
        raise DataError(f"{where}: {name} is missing or damaged ({words}); run again") from error
    if table is None:
        raise DataError(
            f"{where}: {name} has {len(content)} bytes and unpacks to {unpacked}; expected at most {most}; run again"
        )
    # One time zone for all tables: those of another object for UTC become plain objects when they are joined.
    times = table.select_dtypes("datetimetz").columns
    return table.assign(**{column: table[column].dt.tz_convert("UTC") for column in times})


def _declared_bytes(content: bytes) -> int:
    """Size of a table as its own footer declares it, each text counted as one value."""
    found = pq.read_metadata(io.BytesIO(content))
    columns = [found.row_group(i).column(j) for i in range(found.num_row_groups) for j in range(found.num_columns)]
    most_values = max(found.num_rows * found.num_columns, sum(c.num_values for c in columns))
    return int(max(sum(c.total_uncompressed_size for c in columns), _VALUE_BYTES * most_values))


def _texts(content: bytes) -> list[str]:
    """Columns of text, those within lists included, as far as they can be read with each text once."""
    schema = pq.read_metadata(io.BytesIO(content)).schema
    columns = [schema.column(i) for i in range(len(schema))]
    return [c.path for c in columns if c.physical_type == "BYTE_ARRAY"]


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Size of the texts of a column when each stands as often as it is used."""
    total = 0
    for chunk in column.chunks:
        while pa.types.is_list(chunk.type) or pa.types.is_large_list(chunk.type):
            chunk = chunk.flatten()
        if pa.types.is_dictionary(chunk.type):
            lengths = pc.binary_length(chunk.dictionary)
            total += pc.sum(pc.cast(lengths.take(chunk.indices), pa.int64())).as_py() or 0
    return total
