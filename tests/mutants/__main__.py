"""Run the seeded faults of `faults.csv` against the tests that ought to notice them.

python -m tests.mutants [--sample N] [--seed S] [--jobs J] [--only MODULE] [--list]
"""

from __future__ import annotations

import argparse
import sys

from tests.mutants.runner import check_faults, chosen_faults, load_faults, report, run_faults


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 all faults noticed or proven harmless, 1 some survived, 2 the table or the tests are wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.split("\n")[0])
    parser.add_argument("--sample", type=int, help="faults drawn at random; default all")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--jobs", type=int, default=1, help="faults tried at a time")
    parser.add_argument("--only", default="", help="part of a module's path, such as qkd/decoy")
    parser.add_argument("--list", action="store_true", help="name the faults and try none")
    given = parser.parse_args(arguments)
    try:
        faults = load_faults()
        check_faults(faults)
        chosen = chosen_faults(faults, only=given.only, sample=given.sample, seed=given.seed)
        if given.list:
            sys.stdout.writelines(f"{fault}\n" for fault in chosen)
            return 0
        outcomes = run_faults(chosen, jobs=given.jobs, say=_say)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    lines, code = report(outcomes)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return code


def _say(line: str) -> None:
    """A line at once, for a fault takes its time."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
