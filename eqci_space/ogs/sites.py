"""The optical ground stations of a scenario as a table."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd

from eqci_space.scenario import Scenario, dated_stations
from eqci_space.tables import check_table, empty_table

__all__ = ["station_table"]


def station_table(scenario: Scenario) -> gpd.GeoDataFrame:
    """SITES of the stations in use; a station without dates holds for the period, a mobile one has several rows."""
    rows = [
        {
            "ogs": ogs, "name": s.name, "country": s.country, "latitude_deg": s.latitude_deg,
            "longitude_deg": s.longitude_deg, "height_ellipsoid_m": s.height_ellipsoid_m,
            "height_msl_m": s.height_msl_m, "min_elevation_deg": s.min_elevation_deg, "node": s.node,
            "attach": s.attach, "status_class": s.status_class, "status": s.status,
            "aperture_diameter_m": s.receiver.aperture_diameter_m,
            "valid_from": s.valid_from or scenario.start, "valid_to": s.valid_to or scenario.end,
        }
        for ogs, station in scenario.stations.items()
        for s in dated_stations(station)
    ]  # fmt: skip
    table = pd.DataFrame(rows) if rows else empty_table("SITES").reset_index().drop(columns="geometry")
    table = table.set_index("ogs")
    points = gpd.points_from_xy(table["longitude_deg"].astype(float), table["latitude_deg"].astype(float))
    sites = gpd.GeoDataFrame(table, geometry=points, crs="EPSG:4326")
    return check_table(sites, "SITES", "station_table")
