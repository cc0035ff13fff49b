"""Progress bars in notebooks: of what takes longer than two seconds, where the caller does not count."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["in_notebook", "notebook_bar", "shown_bar"]

_DELAY_S = 2.0
_open: list[str] = []
Function = TypeVar("Function", bound=Callable[..., Any])


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def notebook_bar(what: str, *, total: Callable[..., int] | None = None) -> Callable[[Function], Function]:
    """Let a function with an argument `progress` show a bar in a notebook unless it gets one; ``False`` shows none.

    Parameters
    ----------
    what : str
        What is counted, such as ``windows``.
    total : callable, optional
        Given the bound arguments by name, how many there are; not needed if the function tells it with each step.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            progress = kwargs.pop("progress", None)
            if progress is not None or not _may_show():
                return function(*args, **kwargs, progress=progress or None)
            count = total(**signature.bind(*args, **kwargs).arguments) if total else None
            with shown_bar(what, total=count) as advance:
                return function(*args, **kwargs, progress=advance)

        return wrapped  # type: ignore[return-value]

    return decorate


@contextmanager
def shown_bar(what: str, *, total: int | None = None, delay_s: float = _DELAY_S) -> Iterator[Callable[..., None]]:
    """A bar for the time of the block, in a notebook; ``advance(done)`` adds, ``advance(done, total)`` sets.

    It appears with the first step after `delay_s`, and what runs inside shows no bar of its own.
    """
    if not _may_show():
        yield lambda done, total=None: None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets the bar is one of text, which is good enough
        make_bar = importlib.import_module("tqdm.auto").tqdm
    with make_bar(total=total, desc=what, delay=delay_s, leave=False) as bar:

        def advance(done: int, total: int | None = None) -> None:
            if total is not None:
                bar.total, done = total, done - bar.n
            bar.update(done)

        _open.append(what)
        try:
            yield advance
        finally:
            _open.pop()


def _may_show() -> bool:
    return in_notebook() and not _open
