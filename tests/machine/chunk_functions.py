"""Functions that the tests of chunks run in other processes, which find them by this module's name."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from eqci_space.errors import ScenarioError


@dataclass(frozen=True)
class Numbered:
    """A chunk: its number, and a folder in which attempts are counted."""

    number: int
    folder: str = ""


def squares(chunk):
    """A table that depends on linear algebra, random numbers and the chunk."""
    random = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(chunk.number,)))
    matrix = random.standard_normal((60, 60))
    values = (matrix @ matrix.T).sum(axis=0)
    when = pd.date_range("2027-03-01", periods=60, freq="s", tz="UTC", unit="us")
    return pd.DataFrame({"square": chunk.number**2, "value": values, "at": when})


def number(chunk):
    return chunk.number


def poisoned_third(chunk):
    attempts(chunk)
    if chunk.number == 3:
        raise LookupError("no such star")
    return chunk.number


def wrong_scenario(chunk):
    attempts(chunk)
    if chunk.number == 1:
        raise ScenarioError("a.toml", [("start", "is missing")])
    return chunk.number


def flaky(chunk):
    """Fails at the first two attempts."""
    if attempts(chunk) < 3:
        raise OSError("a file server hiccup")
    return chunk.number


def dies_once(chunk):
    """Ends its process at the first attempt of chunk 2."""
    if chunk.number == 2 and attempts(chunk) == 1:
        os._exit(9)
    return squares(chunk)


def dies_always(chunk):
    if chunk.number == 2:
        os._exit(9)
    return chunk.number


def process_and_threads(chunk):
    """Where a chunk runs, slowly enough that no process takes all."""
    time.sleep(0.2)
    return [os.getpid(), os.environ.get("OMP_NUM_THREADS", "")]


def interrupted_at_fourth(chunk):
    if chunk.number == 4:
        raise KeyboardInterrupt
    return chunk.number


def attempts(chunk):
    """Number of this attempt, counted by files so that processes share the count."""
    count = len(list(Path(chunk.folder).glob(f"{chunk.number}-*"))) + 1
    (Path(chunk.folder) / f"{chunk.number}-{count}").touch()
    return count
