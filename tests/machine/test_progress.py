"""Bars in notebooks: only in a kernel, only the outermost, only where the caller does not count."""

import importlib
import sys
from types import SimpleNamespace

import pytest

from eqci_space.machine import progress
from eqci_space.machine.progress import in_notebook, notebook_bar, shown_bar


@pytest.fixture
def bars(monkeypatch):
    """Pretend to be in a kernel; the bars that were shown, with what they counted."""
    shown = []

    class Bar:
        def __init__(self, **options):
            self.n, self.total, self.options, self.closed = 0, options["total"], options, False
            shown.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.closed = True

        def update(self, done):
            self.n += done

    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "tqdm.auto", SimpleNamespace(tqdm=Bar))
    return shown


@notebook_bar("steps", total=lambda count, **_: count)
def work(count, *, progress=None):
    for _ in range(count):
        if progress:
            progress(1)
    return count


@notebook_bar("points")
def told(count, *, progress=None):
    for done in range(1, count + 1):
        work(2)
        if progress:
            progress(done, count)


def test_a_kernel_is_told_from_a_terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    assert not in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=SimpleNamespace))
    assert not in_notebook()
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_outside_a_kernel_nothing_is_shown(bars, monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython")
    assert work(3) == 3
    with shown_bar("x") as advance:
        advance(1)
    assert bars == []


def test_a_bar_counts_to_its_total_appears_late_and_goes(bars):
    assert work(3) == 3
    (bar,) = bars
    assert (bar.n, bar.total, bar.closed) == (3, 3, True)
    assert (bar.options["desc"], bar.options["delay"], bar.options["leave"]) == ("steps", 2.0, False)


def test_only_the_outermost_bar_is_shown_and_a_told_total_is_taken(bars):
    told(5)
    (bar,) = bars
    assert (bar.options["desc"], bar.n, bar.total) == ("points", 5, 5)


def test_a_caller_who_counts_or_wants_none_sees_no_bar(bars):
    counted = []
    work(2, progress=counted.append)
    work(2, progress=False)
    assert counted == [1, 1]
    assert bars == []


def test_a_failure_closes_the_bar_and_the_next_one_shows(bars):
    with pytest.raises(RuntimeError, match="stop"), shown_bar("x"):
        raise RuntimeError("stop")
    assert progress._open == []
    work(1)
    assert [b.closed for b in bars] == [True, True]


def test_the_real_bar_says_nothing_before_two_seconds(capsys, monkeypatch):
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)
    monkeypatch.setitem(sys.modules, "tqdm.auto", importlib.import_module("tqdm.std"))
    with shown_bar("windows", total=3) as advance:
        advance(1)
        advance(3, 3)
    found = capsys.readouterr()
    assert found.out == ""
    assert "windows" not in found.err
    with shown_bar("windows", total=3, delay_s=0.0) as advance:
        advance(3)
    assert "windows" in capsys.readouterr().err
