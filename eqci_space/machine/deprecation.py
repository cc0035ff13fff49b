"""Spellings of yesterday: they work for one more minor version, and warn."""

from __future__ import annotations

import functools
import inspect
import os
import warnings
from collections.abc import Callable
from typing import Any, TypeVar, cast

from eqci_space.errors import EqciDeprecationWarning

__all__ = ["once_by_position", "once_first", "once_named"]

GONE_IN = "0.4"
Function = TypeVar("Function", bound=Callable[..., Any])


def once_named(**now: str) -> Callable[[Function], Function]:
    """Let a function take arguments by their old names too: ``@once_named(workers="jobs")``."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            for old in now.keys() & kwargs.keys():
                if now[old] in kwargs:
                    raise TypeError(f"{function.__name__}() got both '{old}' and '{now[old]}', which are the same")
                _warn(function, f"'{old}=' is now '{now[old]}='")
                kwargs[now[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return cast(Function, wrapped)

    return decorate


def once_first(name: str, kind: type | tuple[type, ...] = (str, os.PathLike)) -> Callable[[Function], Function]:
    """Let a function find an argument that stood first until now, by its type: ``@once_first("path")``."""

    def decorate(function: Function) -> Function:
        place = list(inspect.signature(function).parameters).index(name)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            at_its_place = name in kwargs or isinstance(args[place] if len(args) > place else None, kind)
            if args and isinstance(args[0], kind) and not at_its_place:
                _warn(function, f"'{name}' now stands at place {place + 1}, behind what it belongs to")
                return function(*args[1:], **{name: args[0]}, **kwargs)
            return function(*args, **kwargs)

        return cast(Function, wrapped)

    return decorate


def once_by_position(*names: str) -> Callable[[Function], Function]:
    """Let a function take options by position, in the old order: ``@once_by_position("level")``."""

    def decorate(function: Function) -> Function:
        taken = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in inspect.signature(function).parameters.values())

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            more = dict(zip(names, args[taken:], strict=False))
            if more and len(args) <= taken + len(names):
                _warn(function, f"give {', '.join(f'{n}=' for n in more)} by name")
                return function(*args[:taken], **more, **kwargs)
            return function(*args, **kwargs)

        return cast(Function, wrapped)

    return decorate


def _warn(function: Callable[..., Any], what: str) -> None:
    message = f"{function.__name__}: {what}; the old spelling goes in version {GONE_IN}"
    warnings.warn(message, EqciDeprecationWarning, stacklevel=3)
