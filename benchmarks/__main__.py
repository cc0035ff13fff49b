"""Run benchmarks by name: ``python -m benchmarks [name ...] [--size smoke|full] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from pathlib import Path

from benchmarks import budget, keys, network, passes, plan, weather

BENCHMARKS = {
    "passes": passes.run, "budget": budget.run, "keys": keys.run, "weather": weather.run, "network": network.run,
    "plan": plan.run,
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, and write them as JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--size", choices=("smoke", "full"), default="full")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers for machines")
    options = parser.parse_args(arguments)
    unknown = [n for n in options.names if n not in BENCHMARKS]
    if unknown:
        parser.error(f"unknown benchmark '{unknown[0]}'; known: {', '.join(BENCHMARKS)}")
    results = {}
    for name in options.names or BENCHMARKS:
        results[name] = BENCHMARKS[name](options.size)
        print(f"\n{name} ({options.size}), Python {platform.python_version()}, one thread unless said")
        width = max(len(label) for label, _, _ in results[name])
        for label, value, unit in results[name]:
            shown = f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
            print(f"  {label:<{width}}  {shown:>12} {unit}")
    if options.json:
        rows = {n: [{"what": w, "value": v, "unit": u} for w, v, u in r] for n, r in results.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
