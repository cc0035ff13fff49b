"""The command that looks whether the installation is sound."""

from __future__ import annotations

import os
from typing import Any

import typer

from eqci_space.cli.options import AsJson, command
from eqci_space.cli.output import INTERNAL, Output
from eqci_space.data import shipped_files

__all__ = ["doctor"]

_EXTRAS = {
    "report": ("plotly",), "weather": ("xarray", "netCDF4", "cfgrib", "metar"), "scale": ("dask", "distributed"),
    "notebook": ("jupyter",),
}  # fmt: skip
_SELF_TEST_LOSS_DB, _SELF_TEST_BIT_S = 16.4, 273_872.7


@command
def doctor(output: Output, as_json: AsJson = False) -> None:
    """Report versions and data, and compute one known key rate as a self-test."""
    import importlib.metadata
    import platform

    from eqci_space.fiber.rates import fibre_key_rate_bit_s
    from eqci_space.orbits.earth import orientation_end
    from eqci_space.scenario import load_scenario

    files = shipped_files()
    wrong = [f["file"] for f in files if f["state"] != "as shipped"]
    rate = fibre_key_rate_bit_s(_SELF_TEST_LOSS_DB, load_scenario("quant-gpicz").fiber.device)
    right = abs(rate / _SELF_TEST_BIT_S - 1) < 1e-5
    facts: dict[str, Any] = {
        "version": importlib.metadata.version("eqci-space"), "python": platform.python_version(),
        "platform": platform.platform(), "processors": os.cpu_count(),
        "data": {"files": len(files), "changed": wrong}, "earth_orientation_until": orientation_end(),
        "extras": {name: _lacking(modules) for name, modules in _EXTRAS.items()},
        "self_test": {"loss_db": _SELF_TEST_LOSS_DB, "bit_s": rate, "expected_bit_s": _SELF_TEST_BIT_S, "right": right},
        "well": right and not wrong,
    }  # fmt: skip
    if as_json:
        output.document("doctor", **facts)
    else:
        _say_facts(output, facts)
    if not facts["well"]:
        raise typer.Exit(INTERNAL)


def _lacking(modules: tuple[str, ...]) -> list[str]:
    import importlib.util

    return [module for module in modules if importlib.util.find_spec(module) is None]


def _say_facts(output: Output, facts: dict[str, Any]) -> None:
    data, test = facts["data"], facts["self_test"]
    output.result(
        f"eqci-space {facts['version']}, Python {facts['python']}, {facts['platform']}, "
        f"{facts['processors']} processors"
    )
    state = f"changed or missing: {', '.join(data['changed'])}" if data["changed"] else "all checksums right"
    output.result(f"data: {data['files']} files, {state}")
    output.result(f"Earth orientation until {facts['earth_orientation_until']:%Y-%m-%d}")
    for name, missing in facts["extras"].items():
        output.result(f"extra {name}: {'lacks ' + ', '.join(missing) if missing else 'installed'}")
    result = "as expected" if test["right"] else f"expected {test['expected_bit_s']:.1f}"
    output.result(f"self-test: {test['bit_s']:.1f} bit/s over {test['loss_db']} dB, {result}")
