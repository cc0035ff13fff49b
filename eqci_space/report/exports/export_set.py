"""All exports of a run in one go."""

from __future__ import annotations

import json
from pathlib import Path

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


def write_exports(folder: Path, released: Released, *, earlier: str | Path | None = None) -> None:
    """Write every export that the release allows, and ``run.json``; of a public release ``report.html`` too.

    Parameters
    ----------
    folder : path
        An existing directory.
    released : Released
    earlier : path, optional
        Directory of the run that this one re-plans; its calendar is carried on.

    Raises
    ------
    DataError
        The earlier directory has no calendar.
    """
    write_parquet(folder, released)
    write_contact_list(folder / "contacts.csv", released)
    write_calendar(folder / "contacts.ics", released, earlier=None if earlier is None else Path(earlier))
    write_workbook(folder / "tables.xlsx", released)
    write_crew_sheets(folder, released)
    write_geopackage(folder / "network.gpkg", released)
    write_czml(folder / "scene.czml", released)
    write_ephemerides(folder, released)
    write_snapshots(folder / "qkdn.json", released)
    if released.level == "public":
        write_public_report(folder / "report.html", released)
    text = json.dumps(dict(released.manifest), indent=2, ensure_ascii=False)
    (folder / "run.json").write_text(f"{text}\n", encoding="utf-8")
