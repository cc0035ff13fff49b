# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which passes does a station see, and which can it use?
#
# From orbits to windows: element sets and designed orbits, passes, night, horizon mask, keep-outs, and the geometry
# that the link budget needs.

# %%
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import eqci_space as eq
from eqci_space.orbits.ephemeris import make_ephemeris, motion
from eqci_space.scenario import Satellite, SunSynchronousOrbit

out = Path(os.environ.get("EQCI_NOTEBOOK_OUT", "out"))
out.mkdir(parents=True, exist_ok=True)
scn = eq.load_scenario("quant-gpicz")
scn

# %% [markdown]
# ## Passes
#
# A pass is geometry: from rising above the station's lowest elevation (AOS) to setting below it (LOS). The search is
# complete by proof: a bound of the satellite's motion tells how much time can be passed over.

# %%
passes = eq.find_passes(scn)
passes.head()

# %% [markdown]
# ## Windows
#
# A window is the part of a pass that the station can use: the Sun low enough, the satellite above the horizon mask and
# away from Sun and Moon, nobody on maintenance. Here Oberpfaffenhofen gets a mask with trees in the south-east, and
# keeps 20° from the Moon.

# %%
mask = ((0.0, 12.0), (70.0, 25.0), (120.0, 40.0), (150.0, 22.0), (300.0, 10.0))
dlr = scn.stations["DLR-OP"].model_copy(update={"horizon_mask": mask, "moon_keep_out_deg": 20.0})
masked = scn.model_copy(update={"stations": {**scn.stations, "DLR-OP": dlr}})
windows, free = eq.observable_windows(passes, masked), eq.observable_windows(passes, scn)
seconds = {"free horizon": free, "with mask": windows}
{k: float((w["end"] - w["start"]).dt.total_seconds()[w["ogs"] == "DLR-OP"].sum()) for k, w in seconds.items()}

# %%
samples = eq.sample_windows(windows, masked)
mine = samples[samples["ogs"] == "DLR-OP"]
eq.plot.sky_track(mine[mine["window_id"].isin(mine["window_id"].unique()[:3])], masked).figure

# %%
eq.plot.elevation_profile(mine, mine.loc[mine["elevation_deg"].idxmax(), "window_id"]).figure

# %% [markdown]
# ## One night over Europe

# %%
night = windows[windows["start"] < windows["start"].iloc[0] + timedelta(hours=12)]
eq.plot.ground_track(night, masked).figure

# %% [markdown]
# ## The local time decides
#
# A sun-synchronous satellite passes at nearly the same solar time all year. Twelve local times over one station for
# twelve months: near the terminator the windows vanish in summer.

# %%
ltan_h = [float(h) for h in range(0, 24, 2)]
terminal = scn.satellites[0].terminal
satellites = tuple(
    Satellite(
        name=f"LTAN {h:g} h",
        orbit=SunSynchronousOrbit(kind="sun_synchronous", altitude_km=500, ltan_h=h),
        terminal=terminal,
    )
    for h in ltan_h
)
year = scn.model_copy(
    update={
        "satellites": satellites,
        "stations": {"DLR-OP": scn.stations["DLR-OP"]},
        "start": datetime(2026, 10, 1, 12, tzinfo=UTC),
        "end": datetime(2027, 10, 1, 12, tzinfo=UTC),
    }
)
nightly = eq.nightly_windows(eq.observable_windows(eq.find_passes(year), year), year)
eq.plot.windows_per_night(nightly).figure

# %% [markdown]
# ## Files
#
# Element sets come as OMM (JSON, CSV, XML, KVN) or TLE, ephemerides as OEM; both are written too.

# %%
shipped = eq.read_elements(eq.data_path("orbits", "synthetic_constellations.omm.json"))
eq.write_omm(shipped, out / "constellation.csv")
sets = eq.read_elements(out / "constellation.csv")
start = datetime(2027, 1, 2, tzinfo=UTC)
orbit = make_ephemeris(sets[0], start, start + timedelta(days=1))
times = [60.0 * i for i in range(1441)]
positions, velocities = motion(orbit, times)
eq.write_oem(sets[0].name, start, times, positions, velocities, out / "day.oem", frame="EME2000")
print((out / "day.oem").read_text()[:620])

# %% [markdown]
# ## Against Skyfield
#
# With the same Earth orientation, Skyfield puts the satellite at our AOS and LOS on 20° within rounding.

# %%
import astropy_iers_data
import numpy as np
from skyfield.api import EarthSatellite, Loader, wgs84

from eqci_space.orbits.elements import propagator
from eqci_space.orbits.ephemeris import satellite_elements

timescale = Loader(os.path.dirname(astropy_iers_data.IERS_A_FILE)).timescale(builtin=False)
satrec = propagator(satellite_elements(scn.satellites[0], scn))
place = wgs84.latlon(dlr.latitude_deg, dlr.longitude_deg, elevation_m=dlr.height_ellipsoid_m)
events = passes.loc[passes["ogs"] == "DLR-OP", ["aos", "los"]].to_numpy().ravel()
elevation = (
    (EarthSatellite.from_satrec(satrec, timescale) - place).at(timescale.from_datetimes(list(events))).altaz()[0]
)
print(f"largest deviation from 20°: {np.abs(elevation.degrees - 20).max():.1e}°")
