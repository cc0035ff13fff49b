"""The HTML report: one page from the findings of a run."""
