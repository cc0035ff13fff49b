"""Read Parquet files that this tool wrote: a sound table, or an error that names the file."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from eqci_space.errors import DataError

__all__ = ["read_table"]

# What pyarrow and pandas raise on content that is cut or altered.
_BROKEN = (pa.ArrowException, OSError, MemoryError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


def read_table(source: Path | bytes, where: str) -> pd.DataFrame:
    """Table of a Parquet file or of its content; `where` opens the message of an error.

    Raises
    ------
    DataError
        It is missing, damaged, or no Parquet.
    """
    name = source.name if isinstance(source, Path) else "content"
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        pq.read_table(io.BytesIO(content)).validate(full=True)  # or bad text would show when it is used
        table = pd.read_parquet(io.BytesIO(content))
    except _BROKEN as error:
        words = ascii(str(error))[1:200]  # which may quote the broken bytes
        raise DataError(f"{where}: {name} is missing or damaged ({words}); run again") from error
    # One time zone for all tables: those of another object for UTC become plain objects when they are joined.
    times = table.select_dtypes("datetimetz").columns
    return table.assign(**{column: table[column].dt.tz_convert("UTC") for column in times})
