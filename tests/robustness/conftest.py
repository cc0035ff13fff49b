"""A day of the shipped scenario and its saved run, small enough to be damaged often."""

from datetime import timedelta

import pytest

from eqci_space.study import Study


@pytest.fixture(scope="session")
def day_study(scenario):
    return Study(scenario.model_copy(update={"end": scenario.start + timedelta(days=1), "variants": ()}))


@pytest.fixture(scope="session")
def day_run(day_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("day") / "run"
    day_study.save(folder, trials=0)
    return folder
