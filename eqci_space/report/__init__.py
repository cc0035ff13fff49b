"""What a run shows: plots, the HTML report, exports, comparison, release."""
