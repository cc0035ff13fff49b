"""Relay of worlds in this process, in others, or on any executor: the same bytes everywhere."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from eqci_space.errors import PlanError
from eqci_space.fiber.key_problem import KeyFlowProblem
from eqci_space.fiber.network import Network, build_network
from eqci_space.fiber.problem import flow_problem
from eqci_space.fiber.world_relay import relay_worlds
from eqci_space.machine.parallel import run_chunks
from eqci_space.machine.workers import one_thread_each, spawned_pool
from eqci_space.scenario import Scenario
from eqci_space.scenario.packed import packed_scenario, unpacked_scenario

__all__ = ["WorldsChunk", "WorldsTask", "relay_here", "relay_of_chunk", "world_runner"]

_WORLDS_AT_ONCE = 25
_NUMBERS_AT_ONCE = 1_000  # a record holds at most 20 kB


@dataclass(frozen=True)
class WorldsTask:
    """Key (W, m) [bit] that arrives on m edges and bins in W worlds, what fibre then brings of its usual, foresight."""

    edge: np.ndarray
    bin: np.ndarray
    key_bit: np.ndarray
    fibre_factor: np.ndarray
    foresight: bool = True


Run = Callable[[Sequence[WorldsTask], Callable[[int], None] | None], list[np.ndarray]]
"""From tasks, and a callable that is told of worlds that are done, to the bits (W, K, T) that demands get in each."""


@dataclass(frozen=True)
class WorldsChunk:
    """Some worlds of a task as a small record: packed scenario, places, and the key as text."""

    scenario: str
    edge: tuple[int, ...]
    bin: tuple[int, ...]
    key_bit: str
    fibre_factor: tuple[float, ...]
    foresight: bool


@contextmanager
def world_runner(
    problem: KeyFlowProblem, network: Network, scenario: Scenario, *, executor: Any = None, jobs: int = 1
) -> Iterator[Run]:
    """What runs tasks, in this process or in some that last for the block.

    Raises
    ------
    PlanError
        Other processes are asked for, and the network is not the scenario's own, which they would build.
    """
    if executor is None and jobs == 1:
        yield partial(relay_here, problem)
        return
    own = build_network(scenario)
    if not (own.links.equals(network.links) and own.nodes.equals(network.nodes)):
        raise PlanError(
            f"simulate_plan: jobs = {jobs}, executor = {executor!r} with a network that is not the scenario's own; "
            "expected jobs = 1, or the network of the scenario, which other processes build for themselves"
        )
    text = packed_scenario(scenario)
    if executor is not None:
        yield partial(_elsewhere, text, executor)
        return
    with one_thread_each(), spawned_pool(jobs) as pool:
        yield partial(_elsewhere, text, pool)


def relay_here(
    problem: KeyFlowProblem, tasks: Sequence[WorldsTask], progress: Callable[[int], None] | None = None
) -> list[np.ndarray]:
    """Bits (W, K, T) that demands get in the worlds of each task, worked out in this process."""
    found = []
    for task in tasks:
        parts = []
        for rows in _parts(task):
            parts.append(_relayed(problem, task.edge, task.bin, task.key_bit[rows], task.fibre_factor[rows],
                                  task.foresight))  # fmt: skip
            if progress:
                progress(len(rows))
        found.append(_joined(parts, problem.asked_bit.shape))
    return found


def _elsewhere(
    scenario: str, executor: Any, tasks: Sequence[WorldsTask], progress: Callable[[int], None] | None = None
) -> list[np.ndarray]:
    parts = [(number, rows) for number, task in enumerate(tasks) for rows in _parts(task)]
    chunks = [_chunk(scenario, tasks[number], rows) for number, rows in parts]
    done = iter([len(rows) for _, rows in parts])

    def told(count: int) -> None:
        if progress:
            progress(sum(next(done) for _ in range(count)))

    results = iter(run_chunks(relay_of_chunk, chunks, executor=executor, progress=told))
    shape = _problem(scenario).asked_bit.shape
    return [_joined([next(results) for _ in _parts(task)], shape) for task in tasks]


def _parts(task: WorldsTask) -> list[np.ndarray]:
    """Worlds of a task that are solved together."""
    at_once = max(1, min(_WORLDS_AT_ONCE, _NUMBERS_AT_ONCE // max(1, task.key_bit.shape[1])))
    worlds = np.arange(len(task.key_bit))
    return [worlds[i : i + at_once] for i in range(0, len(worlds), at_once)]


def _joined(parts: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    return np.concatenate([np.empty((0, *shape)), *parts])


def _chunk(scenario: str, task: WorldsTask, rows: np.ndarray) -> WorldsChunk:
    some = np.ascontiguousarray(task.key_bit[rows], dtype=np.float64)
    return WorldsChunk(
        scenario, tuple(task.edge.tolist()), tuple(task.bin.tolist()),
        base64.b85encode(zlib.compress(some.tobytes())).decode(), tuple(task.fibre_factor[rows].tolist()),
        task.foresight,
    )  # fmt: skip


def relay_of_chunk(chunk: WorldsChunk) -> np.ndarray:
    """Bits (W, K, T) that demands get in the worlds of a record."""
    key = np.frombuffer(zlib.decompress(base64.b85decode(chunk.key_bit))).reshape(len(chunk.fibre_factor), -1)
    edge, at = np.array(chunk.edge, dtype=int), np.array(chunk.bin, dtype=int)
    return _relayed(_problem(chunk.scenario), edge, at, key, np.array(chunk.fibre_factor), chunk.foresight)


def _relayed(
    problem: KeyFlowProblem, edge: np.ndarray, at: np.ndarray, key_bit: np.ndarray, fibre_factor: np.ndarray,
    foresight: bool,
) -> np.ndarray:  # fmt: skip
    return relay_worlds(problem, edge, at, key_bit, fibre_factor=fibre_factor, foresight=foresight).delivered_bit


@lru_cache(maxsize=2)
def _problem(scenario: str) -> KeyFlowProblem:
    whole = unpacked_scenario(scenario)
    return flow_problem(build_network(whole), whole)
