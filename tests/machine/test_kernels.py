"""Kernels and their cache on disk: loaded again, and begun anew where it holds what cannot be read."""

import pickle

import numba
import pytest

from eqci_space.machine.kernels import kernel


def sevenfold(x):
    return 7 * x


def run(x):
    """Result of the kernel as a new process would make it, and how often it came from the cache."""
    compiled = kernel(sevenfold)
    return compiled(x), sum(compiled.stats.cache_hits.values())


GONE = {
    "a type that is gone": b"ceqci_space.machine.kernels\n_NoSuchType\n.",
    "a module that is gone": b"ceqci_space.no_such_module\nname\n.",
    "a cut index": b"",
    "no pickle": b"\xff\x00damaged",
}


@pytest.mark.parametrize("content", GONE.values(), ids=GONE)
def test_a_cache_of_another_version_is_begun_anew(tmp_path, monkeypatch, content):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert run(6) == (42, 0)
    assert run(6) == (42, 1)
    (index,) = tmp_path.rglob("*.nbi")
    index.write_bytes(pickle.dumps(numba.__version__, protocol=-1) + content)
    assert run(6) == (42, 0)
    assert run(6) == (42, 1)
