"""Key under skies, read from the responses that a table of candidates states, and those responses themselves."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from plan_cases import at, offers

from eqci_space.qkd.part_keys import part_keys
from eqci_space.qkd.window_responses import part_responses
from eqci_space.schedule.sky_keys import KeyResponses, key_in_skies, key_responses, with_responses, without_key
from eqci_space.weather.skies import SkySamples

LOSSES_DB = (0.5, 1, 2, 3, 4, 6, 9, 13)
LOSSES = ["skl_0.5db_bit", "skl_1db_bit", "skl_2db_bit", "skl_3db_bit", "skl_4db_bit", "skl_6db_bit", "skl_9db_bit",
          "skl_13db_bit"]  # fmt: skip
SHARES = ["skl_25pct_bit", "skl_50pct_bit", "skl_75pct_bit"]


def under(loss_db, blocked=None):
    """A sky a row, a contact a column."""
    loss = np.array(loss_db, dtype=float)
    quarters = np.zeros(loss.shape) if blocked is None else 4 * np.array(blocked, dtype=float)
    return SkySamples((2 ** quarters.astype(int) - 1).astype(np.uint8), loss)


@pytest.fixture
def stated():
    """100 and 40 kbit under a clear sky, and what 1, 3 and 7 dB leave of them."""
    table = offers(("a", "GRAZ", at(0), 300, 100_000), ("b", "PQSAT", at(1), 300, 40_000))
    return table.assign(
        skl_1db_bit=[60_000.0, 20_000.0], skl_3db_bit=[20_000.0, 0.0], skl_7db_bit=[4_000.0, 0.0]
    )  # fmt: skip


def test_key_is_read_from_the_columns_straight_between_their_losses(stated):
    """Halfway from 0 to 1 dB are 80 of 100 and 60 kbit, from 1 to 3 dB 40 of 60 and 20; beyond the last is none."""
    sky = under([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [2.0, 2.0], [5.0, 3.0], [7.0, 0.25], [7.001, 30.0]])
    expected = [[100, 40], [80, 30], [60, 20], [40, 10], [12, 0], [4, 35], [0, 0]]
    assert_allclose(key_in_skies(stated, sky), np.array(expected) * 1e3, atol=1e-6)


def test_a_blocked_sky_takes_all_whatever_the_columns_say(stated):
    sky = under([[0.0, 0.5], [0.5, 0.0]], blocked=[[True, False], [False, True]])
    assert_allclose(key_in_skies(stated, sky), np.array([[0, 30], [80, 0]]) * 1e3, atol=1e-6)


def test_a_part_that_is_seen_brings_what_the_columns_say_and_is_worth_a_loss(stated):
    """75 % of the first leave 60 kbit, as 1 dB does; 25 % leave 12, as 5 dB do: 2 dB more are 1 + 2 or 5 + 2 dB."""
    stated = stated.assign(skl_75pct_bit=[60_000.0, 30_000.0], skl_25pct_bit=[12_000.0, 0.0])
    sky = under(np.zeros((5, 2)), blocked=[[0.25, 0.25], [0.5, 0.5], [0.75, 0.75], [1, 1], [0, 0]])
    expected = [[60, 30], [36, 15], [12, 0], [0, 0], [100, 40]]
    assert_allclose(key_in_skies(stated, sky), np.array(expected) * 1e3, atol=1e-6)
    worse = key_in_skies(stated, sky, link_loss_db=np.full((5, 1), 2.0))
    assert_allclose(worse[:, 0] / 1e3, [20, 15.2, 4, 0, 40], atol=1e-6)
    assert_allclose(worse[:, 1] / 1e3, [5, 0, 0, 0, 10], atol=1e-6)


def test_without_columns_of_shares_a_part_that_is_not_seen_takes_the_whole_key(stated):
    sky = under(np.zeros((2, 2)), blocked=[[0.25, 0], [0, 0.75]])
    assert key_in_skies(stated, sky).tolist() == [[0, 40_000], [100_000, 0]]


def test_loss_of_the_link_adds_to_that_of_the_sky(stated):
    sky = under([[0.0, 1.0], [2.0, 0.0]])
    found = key_in_skies(stated, sky, link_loss_db=np.array([[1.0], [5.0]]))
    assert_allclose(found, np.array([[60, 10], [4, 0]]) * 1e3, atol=1e-6)


def test_responses_that_are_given_go_before_those_of_the_table(stated):
    own = pd.DataFrame({0.0: [9.0, 8.0], 2.0: [1.0, 0.0]}, index=["b", "a"])
    own = KeyResponses(own, pd.DataFrame({0.5: [2.0, 4.0]}, index=["b", "a"]))
    assert_allclose(key_in_skies(stated, under([[0.0, 0.0]], blocked=[[0.5, 0.5]]), own), [[4.0, 2.0]])
    assert_allclose(key_in_skies(stated, under([[1.0, 1.0], [0.0, 2.0]]), own), [[4.0, 5.0], [8.0, 1.0]])


def test_without_columns_whatever_takes_light_takes_the_whole_key(stated):
    bare = stated.drop(columns=["skl_1db_bit", "skl_3db_bit", "skl_7db_bit"])
    found = key_in_skies(bare, under([[0.0, 0.01], [0.01, 0.0]]))
    assert found.tolist() == [[100_000.0, 0.0], [0.0, 40_000.0]]
    worse = key_in_skies(bare, under([[0.0, 0.0]]), link_loss_db=np.array([[0.1]]))
    assert worse.tolist() == [[0.0, 0.0]]


def test_candidates_without_key_bring_none_in_any_sky_and_keep_all_else(stated):
    empty = without_key(stated)
    sky = under([[0.0, 0.0], [0.5, 2.0]])
    assert (key_in_skies(stated, sky) > 0).all()
    assert (key_in_skies(empty, sky) == 0).all()
    empty = without_key(stated.assign(skl_50pct_bit=5.0)).drop(columns="skl_50pct_bit")
    key = ["skl_bit", "skl_1db_bit", "skl_3db_bit", "skl_7db_bit"]
    assert (empty[key] == 0).all(axis=None)
    pd.testing.assert_frame_equal(empty.drop(columns=key), stated.drop(columns=key))
    assert list(empty.columns) == list(stated.columns)
    assert stated["skl_1db_bit"].tolist() == [60_000.0, 20_000.0]  # the table given stays as it is
    plain = without_key(stated[["skl_bit", "p_clear"]])
    assert plain["skl_bit"].tolist() == [0.0, 0.0]
    assert list(plain.columns) == ["skl_bit", "p_clear"]


def test_columns_of_candidates_are_their_responses_at_the_losses_they_name(study, scenario):
    """Against the finer table of responses, which has a column for each of the losses."""
    some = (
        study.candidates.sort_values("skl_bit").iloc[[-1, -5, -40, 0]].drop(columns=[*LOSSES, *SHARES], errors="ignore")
    )
    table = with_responses(some, study.budget, study.contact_keys, scenario)
    assert list(table.columns) == [*some.columns, *LOSSES, *SHARES]
    pd.testing.assert_frame_equal(table[list(some.columns)], some)
    found = key_responses(some, study.budget, study.contact_keys, scenario)
    fine = found.under_loss
    assert_allclose(table[LOSSES], fine[list(LOSSES_DB)])
    assert_allclose(table[SHARES], found.of_share[[0.25, 0.5, 0.75]])
    falling = table[["skl_bit", *LOSSES]].to_numpy()
    assert (np.diff(falling, axis=1) <= 1).all()
    assert (falling[0, :4] > 0).all()
    assert falling[0, 4] < 0.8 * falling[0, 0]
    loss = np.array([[2.0, 2.5, 9.0, 0.0], [13.0, 14.0, 0.0, 0.5]])
    expected = [[fine[2.0].iloc[0], (fine[2.0] + fine[3.0]).iloc[1] / 2, fine[9.0].iloc[2], some["skl_bit"].iloc[3]],
                [fine[13.0].iloc[0], 0.0, some["skl_bit"].iloc[2], fine[0.5].iloc[3]]]  # fmt: skip
    assert_allclose(key_in_skies(table, under(loss)), expected)


def test_responses_count_in_the_order_of_their_losses_and_none_is_no_key():
    table = pd.DataFrame({
        "skl_bit": [100_000.0, 50_000.0], "skl_3db_bit": [20_000.0, np.nan], "skl_1db_bit": [60_000.0, np.nan],
    })  # fmt: skip
    sky = SkySamples(np.zeros((4, 2), dtype=np.uint8), np.repeat([[0.0], [0.5], [2.0], [3.0]], 2, axis=1))
    key = key_in_skies(table, sky)
    assert key[:, 0].tolist() == [100_000, 80_000, 40_000, 20_000]
    assert key[0, 1] == 50_000
    assert (key[2:, 1] == 0).all()


def test_key_of_a_share_is_that_of_the_slots_that_are_left(study, scenario):
    """The best window cut at quarters of its signal, its other slots gone: 0.722, 0.421 and 0.127 of its key are left.

    Slots differ in efficiency, and so in errors, by which both ways may differ by 4 % of the whole key.
    """
    best = study.candidates.sort_values("skl_bit").iloc[[-1]]
    row = best.iloc[0]
    budget = study.budget[study.budget["window_id"] == row["window_id"]]
    inside = budget[(budget["time"] >= row["start"]) & (budget["time"] < row["end"])]
    signal = (inside["transmittance"] * inside["weight_s"]).cumsum()
    for share, left in ((0.75, 0.722), (0.5, 0.421), (0.25, 0.127)):
        until = inside["time"][signal <= share * signal.iloc[-1]].iloc[-1] + pd.Timedelta("0.5s")
        part = best[["window_id", "start"]].assign(end=until)
        own = part_responses(part, study.budget, study.contact_keys, scenario, [0.0]).iloc[0, 0]
        asked = part_responses(best[["window_id", "start", "end"]], study.budget, study.contact_keys, scenario, [0.0],
                               seen_share=share).iloc[0, 0]  # fmt: skip
        assert_allclose(asked / row["skl_bit"], own / row["skl_bit"], atol=0.04)
        assert_allclose(asked / row["skl_bit"], left, atol=0.03)
    adapted = part_keys(part, study.budget, study.keys, scenario)["skl_bit"].iloc[0]
    assert adapted > own  # who knew beforehand which quarter it is would choose other parameters
