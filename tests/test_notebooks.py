"""Notebooks: the committed file is the source without outputs, and runs from the first cell to the last."""

import os
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
NAMES = sorted(p.stem for p in NOTEBOOKS.glob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_its_source_without_outputs(name):
    source = jupytext.read(NOTEBOOKS / f"{name}.py")
    committed = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    assert [(c.cell_type, c.source) for c in committed.cells] == [(c.cell_type, c.source) for c in source.cells]
    assert all(not c.get("outputs") for c in committed.cells)


@pytest.mark.slow
@pytest.mark.enable_socket  # the kernel talks over loopback
@pytest.mark.parametrize("name", NAMES)
def test_notebook_runs(name, tmp_path):
    book = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    os.environ["EQCI_NOTEBOOK_OUT"] = str(tmp_path)
    try:
        NotebookClient(book, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    finally:
        del os.environ["EQCI_NOTEBOOK_OUT"]
    errors = [o for c in book.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert errors == []
    assert list(tmp_path.rglob("*.*"))
    images = [o for c in book.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    assert len(images) >= 3
