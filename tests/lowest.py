"""The lowest direct versions that `pyproject.toml` allows, and whether the main job runs on them.

``python -m tests.lowest`` (``make lowest``) installs them with this checkout into a virtual environment of their own
under ``out/lowest`` and runs the main job there: the shipped week, replayed in 20 sampled worlds. It needs the package
registry. ``--list`` prints the versions, one a line, as constraints for pip.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
import tomllib
import venv
from pathlib import Path

__all__ = ["lowest_versions", "main"]

ROOT = Path(__file__).resolve().parents[1]
JOB = ("run", "quant-gpicz", "--trials", "20")
_LOWEST = re.compile(r"([A-Za-z0-9._-]+)>=([0-9][A-Za-z0-9.]*)")


def lowest_versions(root: Path = ROOT) -> dict[str, str]:
    """Lower bound of every direct dependency."""
    stated = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    found = {text: _LOWEST.fullmatch(text) for text in stated}
    without = [text for text, match in found.items() if match is None]
    if without:
        raise SystemExit(f"pyproject.toml: {', '.join(without)}; expected name>=version, one bound each")
    return {match[1]: match[2] for match in found.values() if match is not None}


def main(arguments: list[str] | None = None) -> int:
    """Install and run; exit code of the job."""
    parser = argparse.ArgumentParser(prog="python -m tests.lowest", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--directory", type=Path, default=ROOT / "out" / "lowest", help="where the environment goes")
    parser.add_argument("--list", action="store_true", help="print the versions, one a line, and do nothing else")
    options = parser.parse_args(arguments)
    pins = "".join(f"{name}=={version}\n" for name, version in lowest_versions().items())
    if options.list:
        sys.stdout.write(pins)
        return 0
    folder = options.directory.absolute()
    venv.create(folder / "venv", clear=True, with_pip=True)
    (folder / "lowest.txt").write_text(pins, encoding="utf-8")
    commands = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [commands / "python", "-m", "pip", "install", "-q", "--only-binary=:all:", "-r", folder / "lowest.txt"]
    begun = time.monotonic()
    code = subprocess.run([*pip, ROOT], check=False).returncode
    if code:
        return code
    sys.stdout.write(f"installed in {time.monotonic() - begun:.0f} s\n")
    sys.stdout.flush()
    begun = time.monotonic()
    shutil.rmtree(folder / "run", ignore_errors=True)
    job = [commands / "eqci", *JOB, "--out", folder / "run"]
    code = subprocess.run(job, cwd=folder, check=False).returncode
    sys.stdout.write(f"eqci {' '.join(JOB)}: exit code {code} after {time.monotonic() - begun:.0f} s\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
