"""One decorator for compiled kernels: the compilation is cached where a cache can be written.

numba refuses to cache when neither the source folder nor the user's cache folder is writable, and fails when the disk
fills up while it caches; the kernel then stays in memory, which costs time but changes no result. What a cache holds of
another version may name types that are gone; it is then begun anew.

Compiled code contains the kernels it calls and the constants it reads, in whatever module they stand, while numba asks
for the kernel's own file alone. Files of a cache are therefore named by a digest of all that went into them, and those
of another digest are removed when a kernel is saved.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numba
import numpy as np
from numba.core import caching

__all__ = ["kernel"]

# What numba meets in an index that is cut, damaged, or of another version.
_UNREADABLE = (
    caching.pickle.UnpicklingError, EOFError, AttributeError, ImportError, TypeError, ValueError, LookupError,
)  # fmt: skip


def kernel(func: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `func` in nopython mode without fast-math, cached on disk if possible; it releases the interpreter."""
    compiled = numba.njit(func, nogil=True, error_model="numpy")
    with suppress(RuntimeError):
        compiled._cache = _OptionalCache(compiled)
    return compiled


class _OptionalCache(caching.FunctionCache):
    """A cache on disk without which the work goes on: full, read-only or taken away meanwhile."""

    _cache_file: Any

    def __init__(self, compiled: Any) -> None:
        super().__init__(compiled.py_func)
        self._compiled = compiled
        self._others = ""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        self._name_by_content()
        try:
            return super().load_overload(sig, target_context)
        except OSError:
            return None
        except _UNREADABLE:
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
            self._remove_others()
        except (OSError, EOFError):
            self.disable()

    def _name_by_content(self) -> None:
        """Name the files when the kernel is first called: by then all that it uses is defined."""
        if self._others:
            return
        name, _, place = self._impl.filename_base.rpartition("-")
        python = place.partition(".")[2]
        stamp = self._cache_file._source_stamp
        digest = hashlib.sha256(repr(stamp).encode())
        for part in _ingredients(self._compiled, set()):
            digest.update(part.encode() + b"\0")
        self._base = f"{name}-{digest.hexdigest()[:16]}.{python}"
        self._cache_file = caching.IndexDataCacheFile(self._cache_path, self._base, stamp)
        self._others = f"{glob.escape(name)}-*.{python}.*"

    def _remove_others(self) -> None:
        """Remove the files that this kernel had before it, or what it uses, was changed."""
        for other in glob.glob(self._others, root_dir=self._cache_path):
            if not other.startswith(self._base):
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._cache_path, other))


def _ingredients(value: Any, seen: set[int]) -> Iterator[str]:
    """All that compiled code takes from a value, the same in every process."""
    if hasattr(value, "py_func"):
        yield repr(sorted(value.targetoptions.items()))
        yield from _ingredients(value.py_func, seen)
    elif isinstance(value, FunctionType) and not _is_foreign(value.__module__):
        yield value.__qualname__
        if id(value) not in seen:
            seen.add(id(value))
            yield from _of_function(value, seen)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype.descr} {value.shape} {hashlib.sha256(value.tobytes()).hexdigest()}"
    elif isinstance(value, tuple | list | frozenset):
        parts = [" ".join(_ingredients(item, seen)) for item in value]
        yield repr(sorted(parts) if isinstance(value, frozenset) else parts)
    elif isinstance(value, bool | int | float | complex | str | bytes | np.generic | np.dtype | type | None):
        yield repr(value)
    else:
        yield f"{type(value)} {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}"


def _is_foreign(module: str) -> bool:
    """Whether a module is one of those that compiled code takes by name."""
    return module.partition(".")[0] in ("math", "numba", "numpy")


def _of_function(func: FunctionType, seen: set[int]) -> Iterator[str]:
    """What a function does, and what its names stand for."""
    codes = list(_codes(func.__code__))
    for code in codes:
        yield f"{code.co_code.hex()} {code.co_exceptiontable.hex()} {code.co_argcount} {code.co_kwonlyargcount}"
        yield repr((code.co_names, code.co_varnames, code.co_freevars))
        constants = [c for c in code.co_consts if not isinstance(c, CodeType) and c != func.__doc__]
        yield from _ingredients(constants, seen)
    yield from _ingredients(func.__defaults__, seen)
    names = sorted({name for code in codes for name in code.co_names})
    used = {name: func.__globals__[name] for name in names if name in func.__globals__}
    cells = zip(func.__code__.co_freevars, func.__closure__ or (), strict=True)
    used |= {name: cell.cell_contents for name, cell in cells}
    for name, value in used.items():
        yield name
        if not isinstance(value, ModuleType):
            yield from _ingredients(value, seen)
        elif not _is_foreign(value.__name__):
            yield from _ingredients([getattr(value, n) for n in names if hasattr(value, n)], seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of functions and comprehensions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
