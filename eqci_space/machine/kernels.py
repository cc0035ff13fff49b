"""One decorator for compiled kernels: the compilation is cached where a cache can be written.

numba refuses to cache when neither the source folder nor the user's cache folder is writable, and fails when the disk
fills up while it caches; the kernel then stays in memory, which costs time but changes no result. What a cache holds of
another version may name types that are gone; it is then begun anew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numba
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
        compiled._cache = _OptionalCache(func)
    return compiled


class _OptionalCache(caching.FunctionCache):
    """A cache on disk without which the work goes on: full, read-only or taken away meanwhile."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
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
        except (OSError, EOFError):
            self.disable()
