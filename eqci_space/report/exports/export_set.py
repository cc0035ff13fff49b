"""All exports of a run in one go."""

from __future__ import annotations

import json
from pathlib import Path

from eqci_space.files.atomic import write_atomically
from eqci_space.machine.deprecation import once_first, once_named
from eqci_space.report.exports.contact_calendar import write_calendar
from eqci_space.report.exports.crew_sheets import write_crew_sheets
from eqci_space.report.exports.czml import write_czml
from eqci_space.report.exports.orbit_files import write_ephemerides
from eqci_space.report.exports.qkdn_snapshots import write_snapshots
from eqci_space.report.exports.tables import write_contact_list, write_geopackage, write_parquet
from eqci_space.report.exports.workbook import write_workbook
from eqci_space.report.page.public import write_public_report
from eqci_space.report.release import Released

__all__ = ["write_exports"]


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
    write_calendar(released, directory / "contacts.ics", earlier=None if earlier is None else Path(earlier))
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
