"""One decorator for compiled kernels: the compilation is cached where a cache can be written.

numba refuses to cache when neither the source folder nor the user's cache folder is writable;
the kernel is then compiled in memory, which costs time but changes no result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["kernel"]


def kernel(func: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `func` in nopython mode without fast-math, cached on disk if possible; it releases the interpreter."""
    try:
        return numba.njit(func, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:
        return numba.njit(func, nogil=True, error_model="numpy")
