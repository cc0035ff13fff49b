"""Run benchmarks by name, write their numbers for machines, compare two such files.

``python -m benchmarks all`` runs passes, budget, keys, weather, network, plan and end_to_end at full size;
``--size smoke`` runs the same code on little work. ``--json FILE`` writes the numbers, ``--compare FILE`` shows them
beside those of an earlier file, and ``--compare OLD NEW`` compares two files without running anything.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks import budget, end_to_end, keys, network, passes, plan, weather
from benchmarks.results import compared, read_results, write_results

BENCHMARKS = {
    "passes": passes.run, "budget": budget.run, "keys": keys.run, "weather": weather.run, "network": network.run,
    "plan": plan.run, "end_to_end": end_to_end.run,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, and write or compare them if asked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--size", choices=("smoke", "full"), default="full")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers for machines")
    parser.add_argument("--compare", type=Path, metavar="FILE", nargs="+", help="an earlier file, or an old and a new")
    options = parser.parse_args(arguments)
    unknown = [n for n in options.names if n not in (*BENCHMARKS, "all")]
    if unknown:
        parser.error(f"unknown benchmark '{unknown[0]}'; known: {', '.join(BENCHMARKS)}, all")
    files = options.compare or []
    if len(files) > 2 or (len(files) == 2 and (options.names or options.json)):
        parser.error("--compare takes one file beside benchmarks to run, or two files and nothing else")
    try:
        old, *new = [read_results(file) for file in files] or [None]
    except (OSError, ValueError) as error:
        parser.error(f"--compare: {error}")
    results = new[0] if new else _run(options.names, options.size)
    if options.json:
        write_results(options.json, results)
    if old is not None:
        print("\n".join(compared(old, results)))
    return 0


def _run(names: list[str], size: str) -> dict:
    """Results of the named benchmarks, printed as they come."""
    about = {
        "size": size, "version": version("eqci-space"), "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }  # fmt: skip
    results = {"about": about}
    for name in BENCHMARKS if not names or "all" in names else dict.fromkeys(names):
        rows = BENCHMARKS[name](size)
        results[name] = [{"what": what, "value": value, "unit": unit} for what, value, unit in rows]
        print(f"\n{name} ({size}), Python {about['python']}, one thread unless said")
        width = max(len(what) for what, _, _ in rows)
        for what, value, unit in rows:
            shown = f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
            print(f"  {what:<{width}}  {shown:>12} {unit}", flush=True)
    return results


if __name__ == "__main__":
    sys.exit(main())
