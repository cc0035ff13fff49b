"""Run one function over many chunks: in process, in spawned processes, or on any executor; the same bytes everywhere.

A chunk is a small plain record from which a worker makes everything that it needs. Results come in the order of the
chunks. What fails does not lose what succeeds: it is tried again, then reported at the end with its inputs. With a
folder for check-points a run that was killed goes on where it stopped.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from eqci_space.errors import DataError, EqciError
from eqci_space.machine.checkpoints import Checkpoints, function_name, record_text
from eqci_space.machine.progress import notebook_bar
from eqci_space.machine.workers import one_thread_each, spawned_pool

__all__ = ["ChunkError", "ChunkFailure", "run_chunks"]

_LARGEST_RECORD_BYTES = 20_000
_AHEAD_PER_WORKER = 2
_SHOWN_FAILURES = 5
_WATCH_S = 2.0
_NONE_LIVES = (
    "BrokenProcessPool: no process lived through a chunk, so this one was not tried; see whether processes start, and "
    "whether a script has its own work under if __name__ == '__main__'"
)


@dataclass(frozen=True)
class ChunkFailure:
    """A chunk that gave no result: its place, its record as JSON, what went wrong and how often it was tried."""

    number: int
    record: str
    error: str
    traceback: str
    attempts: int


class ChunkError(EqciError):
    """Some chunks failed; `failures` says which and why, `results` holds all others, None in their place."""

    def __init__(self, failures: Sequence[ChunkFailure], results: Sequence[Any], kept: str):
        self.failures = tuple(failures)
        self.results = results
        shown = [f"  chunk {f.number}: {f.error} (tried {_times(f.attempts)})" for f in failures[:_SHOWN_FAILURES]]
        if len(failures) > _SHOWN_FAILURES:
            shown.append(f"  and {len(failures) - _SHOWN_FAILURES} more")
        super().__init__(
            f"run_chunks: {len(failures)} of {len(results)} chunks failed; the others are {kept}\n" + "\n".join(shown)
        )


def _times(attempts: int) -> str:
    return "once" if attempts == 1 else f"{attempts} times"


@notebook_bar("chunks")
def run_chunks(
    func: Callable[[Any], Any],
    chunks: Iterable[Any],
    *,
    executor: Any = None,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
    checkpoint: str | Path | None = None,
    retries: int = 2,
) -> Sequence[Any]:
    """Results of a function for every chunk, in their order.

    Parameters
    ----------
    func : callable
        Takes a chunk. For other processes and for check-points it stands at the top of a module.
    chunks : iterable
        Records of numbers, text, times, and tuples, lists, dictionaries or dataclasses of them, at most 20 kB each.
    executor : optional
        A `concurrent.futures.Executor`, or what has ``get_executor()``, such as a dask ``Client``. Default: in
        process, or `jobs` spawned processes; a script then has its own work under ``if __name__ == "__main__":``.
    jobs : int
        Processes, if no executor is given. Their libraries for linear algebra get one thread each.
    progress : callable, optional
        Called with the number of chunks done since the last call, those of an earlier run first.
    checkpoint : path, optional
        Folder in which results are kept as they come, as JSON or Parquet; what an earlier run left there is not done
        again. Results are then read from there when asked for, and do not fill the memory.
    retries : int
        How often a failed chunk is tried again; our own errors say what is wrong with the input and are final. A chunk
        whose process or worker died is tried at least once more, alone, so that it takes no other with it.

    Returns
    -------
    sequence

    Raises
    ------
    ChunkError
        After all other chunks are done: some failed.
    EqciError
        A record or the function is of the wrong kind, or a record too large.
    DataError
        A check-point cannot be written, or the scheduler of a dask client has gone: told within seconds of the end of
        its connection, which is at most half a minute after its machine fell silent.
    KeyboardInterrupt
        Chunks that are finished are kept in the folder, those at work in processes included.

    Notes
    -----
    Check-points are named by the content of function name, record, version and code of the package. A record therefore
    says all that the result depends on, such as the hash of a scenario.
    """
    if jobs < 1 or retries < 0:
        raise EqciError(f"run_chunks: jobs = {jobs}, retries = {retries}; expected at least 1 and at least 0")
    if executor is not None or jobs > 1 or checkpoint is not None:
        function_name(func)
    tasks = [_task(number, chunk) for number, chunk in enumerate(chunks)]
    shelf = _Shelf(tasks, None if checkpoint is None else Checkpoints(checkpoint, func), progress)
    left = shelf.missing()
    if executor is not None:
        own = executor.get_executor() if hasattr(executor, "get_executor") else executor
        _on_executor(func, left, own, retries, shelf, lambda: _require_scheduler(executor, shelf))
    elif jobs > 1:
        _in_processes(func, left, jobs, retries, shelf)
    else:
        _in_process(func, left, retries, shelf)
    return shelf.results()


@dataclass(frozen=True)
class _Task:
    """A chunk on its way; `lost` says how its worker died, if it did."""

    number: int
    chunk: Any
    record: str
    attempt: int = 1
    lost: str = ""

    def next_attempt(self) -> _Task:
        return replace(self, attempt=self.attempt + 1)


@dataclass(frozen=True)
class _Outcome:
    """What became of one attempt; `error` is empty if it gave a result, `final` if another would fail as well."""

    result: Any = None
    error: str = ""
    traceback: str = ""
    final: bool = False


def _task(number: int, chunk: Any) -> _Task:
    record = record_text(chunk)
    size = len(record.encode())
    if size > _LARGEST_RECORD_BYTES:
        raise EqciError(
            f"run_chunks: the record of chunk {number} has {size} bytes; expected at most {_LARGEST_RECORD_BYTES}: "
            "name data by file or by how it is made"
        )
    return _Task(number, chunk, record)


class _Shelf:
    """Results and failures as they come, in memory or in a folder; `count` is the number of results put."""

    def __init__(self, tasks: list[_Task], store: Checkpoints | None, progress: Callable[[int], None] | None):
        self._tasks = tasks
        self._store = store
        self._progress = progress
        self._kept: dict[int, Any] = {}
        self.count = 0
        self._failures: dict[int, ChunkFailure] = {}

    def missing(self) -> list[_Task]:
        """Tasks of which no result is there yet."""
        if self._store is None:
            return self._tasks
        left = [t for t in self._tasks if not self._store.has(self._store.name(t.record), record=t.record)]
        if self._progress and len(left) < len(self._tasks):
            self._progress(len(self._tasks) - len(left))
        return left

    def put(self, task: _Task, outcome: _Outcome) -> None:
        """Keep what became of a task that is not tried again."""
        name = "" if self._store is None else self._store.name(task.record)
        if outcome.error:
            failure = ChunkFailure(task.number, task.record, outcome.error, outcome.traceback, task.attempt)
            self._failures[task.number] = failure
            if self._store is not None:
                self._store.note_failure(name, task.record, outcome.error, outcome.traceback, task.attempt)
        elif self._store is None:
            self._kept[task.number] = outcome.result
            self.count += 1
        else:
            self._store.save(name, task.record, outcome.result)
            self._store.forget_failure(name)
            self.count += 1
        if self._progress:
            self._progress(1)

    def results(self) -> Sequence[Any]:
        results: Sequence[Any]
        if self._store is None:
            results = [self._kept.get(t.number) for t in self._tasks]
        else:
            names = [None if t.number in self._failures else self._store.name(t.record) for t in self._tasks]
            results = _Stored(self._store, names)
        if self._failures:
            kept = "in 'results' of this error" if self._store is None else f"kept in '{self._store.folder}'"
            raise ChunkError([self._failures[n] for n in sorted(self._failures)], results, kept)
        return results


class _Stored(Sequence[Any]):
    """Results in a folder, read when asked for."""

    def __init__(self, store: Checkpoints, names: Sequence[str | None]):
        self._store = store
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return _Stored(self._store, self._names[index])
        name = self._names[index]
        return None if name is None else self._store.load(name)


class _Attempt:
    """Turns what a chunk raises into an outcome: it travels between processes and does not end the others.

    Interrupts and exits pass.
    """

    outcome: _Outcome | None = None

    def __enter__(self) -> _Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if kind is None or not issubclass(kind, Exception):
            return False
        text = "".join(traceback.format_exception(kind, error, trace))
        self.outcome = _Outcome(None, f"{kind.__name__}: {error}", text, issubclass(kind, EqciError))
        return True


def _attempt(func: Callable[[Any], Any], chunk: Any) -> _Outcome:
    with _Attempt() as attempt:
        return _Outcome(func(chunk))
    return attempt.outcome or _Outcome()


def _again(task: _Task, outcome: _Outcome, retries: int) -> bool:
    return bool(outcome.error) and not outcome.final and task.attempt <= retries


def _in_process(func: Callable[[Any], Any], tasks: list[_Task], retries: int, shelf: _Shelf) -> None:
    for task in tasks:
        outcome = _attempt(func, task.chunk)
        while _again(task, outcome, retries):
            task = task.next_attempt()
            outcome = _attempt(func, task.chunk)
        shelf.put(task, outcome)


def _on_executor(
    func: Callable[[Any], Any],
    tasks: list[_Task],
    executor: Executor,
    retries: int,
    shelf: _Shelf,
    watch: Callable[[], None],
) -> None:
    """On an executor of others, which cannot be made anew: what is left when it breaks has failed."""
    lost, left = _drain(func, tasks, executor, len(tasks), retries, shelf, watch)
    for first in lost:
        task: _Task | None = first
        while task is not None and not left:
            again, left = _drain(func, [task.next_attempt()], executor, 1, retries, shelf, watch)
            task = _left_over(again, retries, shelf)
        if task is not None:
            left = [task, *left]
    _give_up(left, "BrokenExecutor: the executor broke before this chunk was done", shelf)


def _require_scheduler(executor: Any, shelf: _Shelf) -> None:
    """Refuse to wait for a dask client that is no longer connected: it has given up its futures, and none will end.

    Raises
    ------
    DataError
        It is not.
    """
    if getattr(executor, "status", "running") == "running":
        return
    raise DataError(
        f"run_chunks: the dask scheduler no longer answers; {shelf.count} chunks were finished by now, and those with "
        "check-points are kept; see after the scheduler, then run again"
    )


def _in_processes(func: Callable[[Any], Any], tasks: list[_Task], jobs: int, retries: int, shelf: _Shelf) -> None:
    """In spawned processes. One that dies breaks its pool, which is made anew."""
    with one_thread_each():
        while tasks:
            before = shelf.count
            with spawned_pool(jobs) as pool:
                lost, tasks = _drain(func, tasks, pool, _AHEAD_PER_WORKER * jobs, retries, shelf)
            for first in lost:
                task: _Task | None = first
                while task is not None:
                    with spawned_pool(1) as pool:
                        again, _ = _drain(func, [task.next_attempt()], pool, 1, retries, shelf)
                    task = _left_over(again, retries, shelf)
            if tasks and shelf.count == before:
                _give_up(tasks, _NONE_LIVES, shelf)
                return


def _left_over(again: list[_Task], retries: int, shelf: _Shelf) -> _Task | None:
    """A task that was lost even alone, if it may be tried once more; else it has failed."""
    if not again:
        return None
    (task,) = again
    if task.attempt <= retries:
        return task
    shelf.put(task, _Outcome(error=task.lost))
    return None


def _give_up(tasks: list[_Task], reason: str, shelf: _Shelf) -> None:
    for task in tasks:
        shelf.put(task, _Outcome(error=reason))


def _drain(
    func: Callable[[Any], Any],
    tasks: list[_Task],
    executor: Executor,
    most: int,
    retries: int,
    shelf: _Shelf,
    watch: Callable[[], None] | None = None,
) -> tuple[list[_Task], list[_Task]]:
    """Work off tasks, at most `most` submitted at a time; `watch` is called now and then, and raises to give up.

    Returns the tasks that were lost with a worker, which another may have killed, and those not begun when the executor
    broke.
    """
    queue, running, lost = deque(tasks), dict[Future[_Outcome], _Task](), list[_Task]()
    broken = False
    try:
        while (queue and not broken) or running:
            while queue and len(running) < most and not broken:
                try:
                    running[executor.submit(_attempt, func, queue[0].chunk)] = queue[0]
                    queue.popleft()
                except BrokenExecutor:
                    broken = True
            done = wait(running, timeout=None if watch is None else _WATCH_S, return_when=FIRST_COMPLETED).done
            if watch is not None:
                try:
                    watch()
                except DataError:  # even to cancel what is not done would wait for ever
                    running = {future: task for future, task in running.items() if future.done()}
                    raise
            for future in done:
                task, outcome = running.pop(future), _outcome(future)
                if isinstance(outcome, str):
                    lost.append(replace(task, lost=outcome))
                    broken |= isinstance(future.exception(), BrokenExecutor)
                elif _again(task, outcome, retries):
                    queue.append(task.next_attempt())
                else:
                    shelf.put(task, outcome)
    finally:
        _keep_finished(running, shelf, wait_for_others=isinstance(executor, ProcessPoolExecutor))
    return lost, list(queue)


def _outcome(future: Future[_Outcome]) -> _Outcome | str:
    """Outcome of a finished future; in words, what the executor says if it has none."""
    if future.cancelled():
        return _Outcome(error="CancelledError: the executor cancelled the chunk")
    error = future.exception()
    if isinstance(error, BrokenProcessPool):
        return "BrokenProcessPool: its process ended abruptly (killed, out of memory, or a crash in compiled code)"
    return future.result() if error is None else f"{type(error).__name__}: {error}"


def _keep_finished(running: dict[Future[_Outcome], _Task], shelf: _Shelf, *, wait_for_others: bool) -> None:
    """After an interrupt: nothing new begins, and results that are there, or in processes about to be, are kept."""
    begun = {future: task for future, task in running.items() if not future.cancel()}
    if wait_for_others:
        wait(begun)
    for future, task in begun.items():
        outcome = _outcome(future) if future.done() else ""
        if isinstance(outcome, _Outcome) and not outcome.error:
            shelf.put(task, outcome)
