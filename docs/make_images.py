"""Write the pictures of README and documentation to docs/images; the same code and fonts give the same bytes."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes

import eqci_space as eq

FOLDER = Path(__file__).parent / "images"


def pictures(study: eq.Study) -> dict[str, Axes]:
    """The pictures by file name."""
    best = study.budget.loc[study.budget["total_loss_db"].idxmin(), "window_id"]
    return {
        "network-map.png": eq.plot.network_map(study.relay, study.scenario),
        "contact-plan.png": eq.plot.gantt(study.plan, study.scenario, windows=study.windows),
        "link-budget.png": eq.plot.waterfall(study.budget, best),
        "key-stores.png": eq.plot.key_stores(study.relay, study.scenario),
    }


def main() -> None:
    """Plan the shipped scenario and draw it."""
    FOLDER.mkdir(exist_ok=True)
    for name, axes in pictures(eq.Study(eq.load_scenario("quant-gpicz"))).items():
        figure = axes.figure
        figure.savefig(FOLDER / name, dpi=110, bbox_inches="tight", facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    main()
