"""Run tests again and again without loading the libraries each time.

Started in a sandbox, it loads what the package and its tests load from elsewhere; then for each line of names on stdin
a forked process imports the package as it stands at that moment, runs the tests and leaves its output in a file. The
answer on stdout is the exit code of pytest.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from contextlib import suppress
from pathlib import Path

LOADED = (
    "pytest", "_pytest.assertion.rewrite", "hypothesis", "numpy", "pandas", "scipy.stats", "scipy.optimize",
    "scipy.interpolate", "scipy.integrate", "scipy.sparse.csgraph", "pydantic", "numba", "erfa", "astropy.utils.iers",
    "astropy_iers_data", "skyfield.api", "sgp4.api", "geopandas", "pyarrow.parquet", "networkx", "highspy", "tomllib",
    "pyogrio", "matplotlib.figure", "openpyxl", "icalendar", "jinja2", "dateutil.rrule", "multiprocessing",
)  # fmt: skip


def serve(output: Path) -> None:
    """Answer until stdin ends."""
    for name in LOADED:
        with suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _run(line.split(), output)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(names: list[str], output: Path) -> None:
    """Never returns: the process ends with pytest's exit code."""
    code = 70
    try:
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(file, stream)
        import pytest

        found = importlib.util.find_spec("eqci_space")
        if found and found.origin and Path(found.origin).resolve().is_relative_to(Path.cwd().resolve()):
            code = int(pytest.main(["-q", "-x", "-n0", "-p", "no:cacheprovider", *(f"tests/{n}" for n in names)]))
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
