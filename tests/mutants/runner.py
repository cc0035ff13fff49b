"""Apply seeded faults to copies of the package and run the tests that ought to notice them.

The working tree is never changed: each process of work has a sandbox with copies of the package and the tests and a
link to the data; a fault is written into that copy, its tests run, and the file is put back.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from threading import Timer
from time import monotonic

__all__ = ["Fault", "Outcome", "check_faults", "chosen_faults", "load_faults", "report", "run_faults"]

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).parent / "faults.csv"
_LEAST_S = 60.0
_LONGEST_S = 1800.0
_PASSED, _FAILED = 0, 1
_BROKEN_IMPORT = 2
"""Exit codes of pytest: all passed, some failed, and a test file that could not be imported."""


@dataclass(frozen=True)
class Fault:
    """One fault: file below the package, text that stands there once, what replaces it, and tests below `tests`.

    `harmless` is the proof that no test can notice it, where there is one.
    """

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    harmless: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.old!r} -> {self.new!r}"


@dataclass(frozen=True)
class Outcome:
    """What became of a fault."""

    fault: Fault
    noticed: bool


def load_faults(path: Path = TABLE) -> list[Fault]:
    """The faults of a table with the columns file, old, new, tests (separated by blanks) and harmless."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [
            Fault(row["file"], row["old"], row["new"], tuple(row["tests"].split()), row["harmless"])
            for row in csv.DictReader(stream)
        ]


def check_faults(faults: Sequence[Fault], root: Path = ROOT) -> None:
    """Raise naming every fault whose text does not stand in its file exactly once, or whose tests are missing."""
    wrong = []
    for fault in faults:
        path = root / "eqci_space" / fault.file
        count = path.read_text(encoding="utf-8").count(fault.old) if path.is_file() else 0
        if count != 1:
            wrong.append(f"{fault}: the text stands there {count} times; expected once")
        if fault.old == fault.new or not fault.tests:
            wrong.append(f"{fault}: changes nothing, or no test is named")
        wrong += [
            f"{fault}: no test file 'tests/{name}'"
            for name in fault.tests
            if not (root / "tests" / name.partition("::")[0]).is_file()
        ]
    if len(set(faults)) != len(faults):
        wrong.append("a fault stands twice in the table")
    if wrong:
        raise ValueError("tests.mutants: mend the table of faults\n  " + "\n  ".join(wrong))


def chosen_faults(faults: Sequence[Fault], *, only: str = "", sample: int | None = None, seed: int = 0) -> list[Fault]:
    """Faults of modules whose path contains `only`, all or so many of them drawn at random."""
    found = [fault for fault in faults if only in fault.file]
    if not found:
        raise ValueError(f"tests.mutants: no fault in a module like '{only}'")
    return found if sample is None else random.Random(seed).sample(found, min(sample, len(found)))


def run_faults(
    faults: Sequence[Fault], *, jobs: int = 1, say: Callable[[str], object] = lambda line: None, root: Path = ROOT
) -> list[Outcome]:
    """Try each fault; tests that a fault keeps running count as failed after a minute and twice all of them without it.

    Raises
    ------
    ValueError
        The tests fail without any fault, or could not run: then nothing is learnt.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mutants-"))
        boxes: Queue[_Sandbox] = Queue()
        for number in range(jobs):
            box = _Sandbox(Path(folder) / str(number), root)
            stack.callback(box.close)
            boxes.put(box)
        sound = boxes.get()
        names = sorted({name for fault in faults for name in fault.tests})
        begun = monotonic()
        code, text = sound.tested(names)
        longest_s = min(_LONGEST_S, _LEAST_S + 2 * jobs * (monotonic() - begun))
        if code != _PASSED:
            raise ValueError(f"tests.mutants: the tests fail without a fault (pytest {code})\n{text[-2000:]}")
        boxes.put(sound)

        def tried(fault: Fault) -> Outcome:
            box = boxes.get()
            try:
                with box.with_fault(fault):
                    code, text = box.tested(fault.tests, longest_s)
            finally:
                boxes.put(box)
            if code not in (_PASSED, _FAILED, _BROKEN_IMPORT):
                raise ValueError(f"tests.mutants: {fault}: its tests did not run (pytest {code})\n{text[-2000:]}")
            say(f"{'SURVIVED' if code == _PASSED else 'noticed '} {fault}")
            return Outcome(fault, code != _PASSED)

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(tried, faults))


class _Sandbox:
    """A copy of the package and its tests, in which one fault stands at a time."""

    def __init__(self, folder: Path, root: Path):
        self._folder = folder
        for part in ("eqci_space", "tests"):
            shutil.copytree(root / part, folder / part)  # with what is compiled: its stamps are those of the copies
        for name in ("data", "docs", "notebooks", "pyproject.toml"):
            (folder / name).symlink_to(root / name)
        self._stamp = 0
        self._output = folder / "output.txt"
        self._server: subprocess.Popen[str] | None = None

    @contextmanager
    def with_fault(self, fault: Fault) -> Iterator[None]:
        path = self._folder / "eqci_space" / fault.file
        sound = path.read_text(encoding="utf-8")
        self._write(path, sound.replace(fault.old, fault.new))
        try:
            yield
        finally:
            self._write(path, sound)

    def _write(self, path: Path, text: str) -> None:
        """Write with a time of change of its own: compiled files of another text of equal length must not be used."""
        path.write_text(text, encoding="utf-8")
        self._stamp += 10
        at = path.stat().st_mtime + self._stamp
        os.utime(path, (at, at))

    def tested(self, names: Sequence[str], longest_s: float = _LONGEST_S) -> tuple[int, str]:
        """Exit code and output of pytest on some tests; a run that does not end in time counts as failed."""
        if self._server is None or self._server.poll() is not None:
            self._server = subprocess.Popen(
                [sys.executable, Path(__file__).parent / "server.py", self._output], cwd=self._folder, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(self._folder)},
            )  # fmt: skip
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        clock = Timer(longest_s, self.close)
        clock.start()
        self._server.stdin.write(" ".join(names) + "\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline()
        clock.cancel()
        text = self._output.read_text(encoding="utf-8", errors="replace") if self._output.is_file() else ""
        return (int(answer), text) if answer else (_FAILED, f"{text}\ntimeout")

    def close(self) -> None:
        """End the server and what it runs."""
        if self._server is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()


def report(outcomes: Sequence[Outcome]) -> tuple[list[str], int]:
    """What is said at the end, and the exit code: 1 if a fault survived that is not proven harmless."""
    left = [o.fault for o in outcomes if not o.noticed]
    open_ones = [fault for fault in left if not fault.harmless]
    lines = [f"{len(outcomes)} faults, {len(outcomes) - len(left)} noticed, {len(left) - len(open_ones)} harmless"]
    lines += [f"harmless: {fault}; {fault.harmless}" for fault in left if fault.harmless]
    lines += [f"survived: {fault}" for fault in open_ones]
    lines += [f"noticed though called harmless: {o.fault}" for o in outcomes if o.noticed and o.fault.harmless]
    return lines, 1 if open_ones else 0
