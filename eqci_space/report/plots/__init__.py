"""Plots: ``ax=`` in, Axes out, no global style; what ``eq.plot`` offers."""

from __future__ import annotations

from eqci_space.report.plots.bottlenecks import bottleneck_map
from eqci_space.report.plots.budgets import loss_profile, waterfall
from eqci_space.report.plots.coverage import coverage_difference_map, coverage_map
from eqci_space.report.plots.flown import flown_passes
from eqci_space.report.plots.keys import aggregation_gain, key_profile, key_response
from eqci_space.report.plots.labels import station_label
from eqci_space.report.plots.maps import network_map
from eqci_space.report.plots.network import (
    demand_heatmap,
    exposure_chart,
    exposure_frontier_plot,
    failure_ranking,
    replay_chart,
    store_levels,
)
from eqci_space.report.plots.relay import delivery, key_stores
from eqci_space.report.plots.schedule import gantt_by_satellite, gantt_by_station, night_keys, scenario_comparison
from eqci_space.report.plots.sky import elevation_profile, ground_track, sky_track, windows_per_night
from eqci_space.report.plots.weather import (
    availability_matrix,
    cause_tornado,
    delivery_fan,
    diversity_map,
    drought_distribution,
)

__all__ = [
    "aggregation_gain",
    "availability_matrix",
    "bottleneck_map",
    "cause_tornado",
    "coverage_difference_map",
    "coverage_map",
    "delivery",
    "delivery_fan",
    "demand_heatmap",
    "diversity_map",
    "drought_distribution",
    "elevation_profile",
    "exposure_chart",
    "exposure_frontier_plot",
    "failure_ranking",
    "flown_passes",
    "gantt",
    "gantt_by_satellite",
    "gantt_by_station",
    "ground_track",
    "key_profile",
    "key_response",
    "key_stores",
    "loss_profile",
    "network_map",
    "night_keys",
    "replay_chart",
    "scenario_comparison",
    "sky_track",
    "station_label",
    "store_levels",
    "waterfall",
    "windows_per_night",
]

gantt = gantt_by_station
