"""All exports of a run in one go."""

from __future__ import annotations

import json
from pathlib import Path

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first, once_named
from eqci_space.report.exports.contact_calendar import write_calendar
from eqci_space.report.exports.crew_sheets import write_crew_sheets
from eqci_space.report.exports.czml import write_czml
from eqci_space.report.exports.earlier_calendar import read_calendar
from eqci_space.report.exports.orbit_files import write_ephemerides
from eqci_space.report.exports.qkdn_snapshots import write_snapshots
from eqci_space.report.exports.tables import write_contact_list, write_geopackage, write_parquet
from eqci_space.report.exports.workbook import write_workbook
from eqci_space.report.page.public import write_public_report
from eqci_space.report.release import Released
from eqci_space.report.run_io import Run, load_run

__all__ = ["load_earlier", "write_exports"]

_CALENDAR = "contacts.ics"


def load_earlier(directory: Path) -> Run:
    """The run that another re-plans, with all that the other will take of it, so that nothing fails when it is made.

    Raises
    ------
    DataError
        The directory is no run, its calendar is not one of ours, or a file is missing or damaged.
    TableError
        A table does not fulfil its contract.
    """
    run = load_run(directory)
    read_calendar(directory / _CALENDAR)
    return run


@once_named(folder="directory")
@once_first("directory")
def write_exports(released: Released, directory: str | Path, *, earlier: str | Path | None = None) -> None:
    """Write every export that the release allows, and ``run.json``; of a public release ``report.html`` too.

    Parameters
    ----------
    released : Released
    directory : path
        One that exists.
    earlier : path, optional
        Directory of the run that this one re-plans; its calendar is carried on.

    Raises
    ------
    DataError
        The earlier directory has no calendar.
    """
    directory = Path(directory)
    write_parquet(released, directory)
    write_contact_list(released, directory / "contacts.csv")
    write_calendar(released, directory / _CALENDAR, earlier=None if earlier is None else Path(earlier))
    write_workbook(released, directory / "tables.xlsx")
    write_crew_sheets(released, directory)
    write_geopackage(released, directory / "network.gpkg")
    write_czml(released, directory / "scene.czml")
    write_ephemerides(released, directory)
    write_snapshots(released, directory / "qkdn.json")
    if released.level == "public":
        write_public_report(released, directory / "report.html")
    text = json.dumps(dict(released.manifest), indent=2, ensure_ascii=False)
    write_atomically(directory / "run.json", f"{text}\n")
