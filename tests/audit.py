"""Known vulnerabilities of the packages in this environment: ``make audit``; it needs the package registry.

``python -m tests.audit`` installs pip-audit into an environment of its own under ``out/audit`` and asks it about every
package here. Exit code 1 says that some are vulnerable, 2 that nothing, or less than half, could be audited.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Install, ask and tell."""
    folder = ROOT / "out" / "audit"
    venv.create(folder, clear=True, with_pip=True)
    commands = folder / ("Scripts" if sys.platform == "win32" else "bin")
    report, log = folder / "audit.json", folder / "audit.log"
    ask = [commands / "pip-audit", "--progress-spinner", "off", "--timeout", "20", "-f", "json", "-o", report]
    with log.open("w", encoding="utf-8") as stream:
        for command in (
            [commands / "python", "-m", "pip", "install", "-q", "pip-audit"],
            [*ask, "--path", sysconfig.get_path("purelib")],
        ):
            if Path(command[0]).exists():
                subprocess.run(command, stdout=stream, stderr=stream, check=False)
    if not report.is_file() or not report.stat().st_size:
        sys.stdout.write(f"audit: no list of vulnerabilities can be reached ({log}); nothing was audited\n")
        return 2
    packages = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    known = [p for p in packages if "skip_reason" not in p]
    found = [(p["name"], p["version"], v["id"], v["fix_versions"]) for p in known for v in p["vulns"]]
    for row in found:
        sys.stdout.write(f"{row}\n")
    sys.stdout.write(f"audit: {len(known)} of {len(packages)} packages audited, {len(found)} known vulnerabilities\n")
    return 1 if found else 0 if 2 * len(known) > len(packages) else 2


if __name__ == "__main__":
    raise SystemExit(main())
