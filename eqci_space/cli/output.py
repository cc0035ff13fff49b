"""What a command says and where: results to stdout, everything else to stderr, and errors as exit codes."""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer

from eqci_space.cli.records import plain
from eqci_space.errors import DataError, EqciError, EqciWarning, InfeasibleError, ScenarioError, VerificationError

if TYPE_CHECKING:
    from eqci_space.scenario import Scenario

__all__ = ["INFEASIBLE", "INTERNAL", "INTERRUPTED", "INVALID", "SCHEMA_VERSION", "STALE", "Output", "aligned"]

INTERNAL, INVALID, INFEASIBLE, STALE, INTERRUPTED = 1, 2, 3, 4, 130
SCHEMA_VERSION = 1
_NO_FILE = ("no file '", "no such file", "no shipped data '")


class Output:
    """Where a command writes.

    Parameters
    ----------
    quiet : bool
        Nothing but errors goes to stderr.
    verbose : bool
        Stages with their times go to stderr, and internal errors show where they come from.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False):
        self.quiet = quiet
        self.verbose = verbose and not quiet
        self.strict = False
        self.warnings: list[str] = []

    def result(self, text: str, *, end: bool = True) -> None:
        """Text to stdout."""
        typer.echo(text, nl=end)

    def document(self, command: str, scenario: Scenario | None = None, **content: Any) -> None:
        """One JSON document to stdout."""
        self.result(json.dumps(self.documented(command, scenario, content), indent=1, ensure_ascii=False))

    def documented(self, command: str, scenario: Scenario | None, content: dict[str, Any]) -> dict[str, Any]:
        """A document as `document` prints it; what is no number in JSON becomes null."""
        head: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "command": command}
        if scenario is not None:
            head["scenario"] = {
                "name": scenario.name, "start": scenario.start, "end": scenario.end, "sha256": scenario.sha256,
            }  # fmt: skip
        found: dict[str, Any] = plain({**head, **content, "warnings": self.warnings})
        return found

    def note(self, text: str) -> None:
        """Text to stderr, unless quiet."""
        if not self.quiet:
            typer.echo(text, err=True)

    def log(self, text: str) -> None:
        """Text to stderr when verbose."""
        if self.verbose:
            typer.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A warning to stderr, unless quiet, and to the JSON document; once each."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.note(f"warning: {text}")

    def error(self, text: str) -> None:
        """Text to stderr, quiet or not."""
        typer.echo(f"error: {text}", err=True)

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[..., None]]:
        """Count steps: ``advance(name, done=1)`` as each begins.

        A bar on stderr where that is a terminal; when verbose a line for each stage with its time instead.
        """
        begin, stages = time.perf_counter(), _StageLog(self)
        if self.quiet or self.verbose or not sys.stderr.isatty():
            yield stages.advance
        else:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description:>12}"), BarColumn(), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("", total=total)
                yield lambda name, done=1: bar.update(task, description=name, advance=done)
        stages.finish()
        self.log(f"{'all':>12} {time.perf_counter() - begin:7.2f} s")

    @contextmanager
    def errors_as_codes(self) -> Iterator[None]:
        """Show warnings and errors in words, and leave with the exit code that belongs to the error."""
        with warnings.catch_warnings(), _Codes(self):
            warnings.simplefilter("default", EqciWarning)
            warnings.showwarning = self._show  # type: ignore[assignment]
            yield

    def _show(self, message: Warning | str, category: type[Warning], *_: Any) -> None:
        if issubclass(category, EqciWarning):
            self.warn(str(message))


class _StageLog:
    """Lines ``stage seconds`` as stages end."""

    def __init__(self, output: Output):
        self._output = output
        self._stage, self._begin = "", 0.0

    def advance(self, name: str, done: int = 1) -> None:
        """Another stage begins, or the same goes on."""
        if name != self._stage:
            self.finish()
            self._stage, self._begin = name, time.perf_counter()

    def finish(self) -> None:
        """The last stage is over."""
        if self._stage:
            self._output.log(f"{self._stage:>12} {time.perf_counter() - self._begin:7.2f} s")
        self._stage = ""


class _Codes:
    """Turns what ends a command into one message and an exit code; what the command line raises itself passes."""

    def __init__(self, output: Output):
        self._output = output

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, typer.Exit | typer.Abort | typer.BadParameter | BrokenPipeError):
            return
        if isinstance(error, KeyboardInterrupt):
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED)
        if not isinstance(error, Exception):
            return
        code = self._code(error)
        if code != INTERNAL:
            self._output.error(_external(error))
        else:
            if self._output.verbose:
                typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
            self._output.error(_internal(error))
        raise typer.Exit(code)

    def _code(self, error: Exception) -> int:
        if isinstance(error, InfeasibleError):
            return INFEASIBLE
        if isinstance(error, VerificationError):
            return INTERNAL
        if self._output.strict and _is_missing_data(error):
            return STALE
        if isinstance(error, EqciError):
            return INTERNAL if _failed_inside(error) else INVALID
        return INVALID if isinstance(error, OSError) and error.filename is not None else INTERNAL


def _is_missing_data(error: Exception) -> bool:
    """Whether all that is wrong is that a file is missing or damaged."""
    if isinstance(error, ScenarioError):
        return all(any(words in message for words in _NO_FILE) for _, message in error.problems)
    return isinstance(error, DataError | FileNotFoundError)


def _failed_inside(error: EqciError) -> bool:
    """Whether chunks failed otherwise than by an error of the toolkit about its input."""
    failures: Iterable[Any] = getattr(error, "failures", ())
    known = {kind.__name__ for kind in _kinds(EqciError)}
    return any(f.error.partition(":")[0] not in known for f in failures)


def _kinds(kind: type[EqciError]) -> Iterator[type[EqciError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _external(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"'{error.filename}': {error.strerror}"
    return str(error)


def _internal(error: Exception) -> str:
    """One line that says what went wrong inside and where."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    first = str(error).strip().splitlines()
    words = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
    return f"internal: {words}{where}; run again with -v for the traceback, and report it"


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in plain text, columns aligned to the left."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
