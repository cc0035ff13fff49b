"""What a command says and where: results to stdout, everything else to stderr, and errors as exit codes."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import typer

from eqci_space.cli.records import plain
from eqci_space.errors import DataError, EqciError, EqciWarning, InfeasibleError, ScenarioError, VerificationError

if TYPE_CHECKING:
    from eqci_space.scenario import Scenario

__all__ = [
    "INFEASIBLE",
    "INTERNAL",
    "INTERRUPTED",
    "INVALID",
    "SCHEMA_VERSION",
    "STALE",
    "Output",
    "aligned",
    "show_what_can_be_shown",
]

INTERNAL, INVALID, INFEASIBLE, STALE, INTERRUPTED = 1, 2, 3, 4, 130
SCHEMA_VERSION = 1
_SIGNALLED = 128
_NO_MEMORY = (
    "out of memory; plan a shorter period or fewer satellites, start fewer processes, or give this one more memory"
)
_NO_FILE = ("no file '", "no such file", "no shipped data '")


def _is_unicode(stream: TextIO | None) -> bool:
    """Whether a stream can hold every character."""
    return str(getattr(stream, "encoding", None) or "utf-8").lower().replace("_", "-").startswith("utf")


def show_what_can_be_shown() -> None:
    """Let stdout and stderr replace characters that their encoding has not, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def unwritten(error: OSError) -> str:
    """What to say of a stdout that takes no more; what is left to be written to it goes nowhere."""
    _abandon(sys.stdout)
    why = "its reader has ended" if isinstance(error, BrokenPipeError) else error.strerror or str(error)
    return f"cannot write to stdout: {why}; write to a file with room, or read to the end; files that are written stay"


def _abandon(stream: TextIO | None) -> None:
    """Let a stream end in nothing, or the interpreter would fail when it writes the rest."""
    with suppress(OSError, ValueError, AttributeError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())  # type: ignore[union-attr]
        os.close(sink)


def _tell(text: str, *, end: bool = True) -> None:
    """Text to stderr; where that takes no more it is lost, for there is nowhere left to say so."""
    try:
        typer.echo(text, err=True, nl=end)
    except OSError:
        _abandon(sys.stderr)


class _Ended(KeyboardInterrupt):
    """A signal asks the process to end; what is finished is kept, as after an interrupt."""

    def __init__(self, number: int):
        self.number = number
        super().__init__(signal.Signals(number).name)


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as an interrupt does, unless the process handles or ignores them already."""

    def end(number: int, _: object) -> None:
        raise _Ended(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
        """Text to stdout.

        Raises
        ------
        DataError
            Nobody reads it, or its disk is full.
        """
        try:
            typer.echo(text, nl=end)
        except OSError as error:
            raise DataError(unwritten(error)) from error

    def document(self, command: str, scenario: Scenario | None = None, *, public: bool = False, **content: Any) -> None:
        """One JSON document to stdout; a public one has no checksum of the scenario."""
        document = self.documented(command, scenario, content)
        if public:
            document["scenario"].pop("sha256")
        escaped = not _is_unicode(sys.stdout)
        self.result(json.dumps(document, indent=1, ensure_ascii=escaped))

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
            _tell(text)

    def log(self, text: str) -> None:
        """Text to stderr when verbose."""
        if self.verbose:
            _tell(text)

    def warn(self, text: str) -> None:
        """A warning to stderr, unless quiet, and to the JSON document; once each."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.note(f"warning: {text}")

    def error(self, text: str) -> None:
        """Text to stderr, quiet or not."""
        _tell(f"error: {text}")

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
        with warnings.catch_warnings(), _Codes(self), _ending_on_signals():
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
        if error is None or isinstance(error, typer.Exit | typer.Abort | typer.BadParameter):
            return
        if isinstance(error, _Ended):
            _tell(f"ended by {error}")
            raise typer.Exit(_SIGNALLED + error.number)
        if isinstance(error, KeyboardInterrupt):
            _tell("interrupted")
            raise typer.Exit(INTERRUPTED)
        if not isinstance(error, Exception):
            return
        code = self._code(error)
        if code != INTERNAL:
            self._output.error(_external(error))
        else:
            if self._output.verbose:
                _tell("".join(traceback.format_exception(error)), end=False)
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
        is_known = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.filename is not None)
        return INVALID if is_known else INTERNAL


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
    return _NO_MEMORY if isinstance(error, MemoryError) else str(error)


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
