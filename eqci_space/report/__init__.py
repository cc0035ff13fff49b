"""Plots, maps, the HTML report and exports."""
