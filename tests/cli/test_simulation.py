"""eqci simulate."""

import pandas as pd


def test_simulate_prints_quantiles_and_writes_tables(parsed, short, tmp_path):
    document = parsed("simulate", short(), "--trials", "20", "--regret", "0", "--seed", "3", "--out", tmp_path / "w")
    assert (document["trials"], document["seed"], document["regret_bit"]) == (20, 3, None)
    assert len(document["demands"]) == 10
    assert {row["cause"] for row in document["causes"]} >= {"sky", "link_loss_bias_db"}
    written = pd.read_csv(tmp_path / "w" / "demands.csv")
    assert written["all_in_median_bit"].tolist() == [row["all_in_median_bit"] for row in document["demands"]]


def test_simulate_in_words(eqci, short):
    done = eqci("simulate", short(), "--trials", "10", "--regret", "0")
    assert done.stdout.startswith("QUANT-GPICz: 10 worlds, contacts as planned, relay with the sky of each known")
    assert "variance of the key from space, each cause alone:" in done.stdout
    assert done.stderr.startswith("warning: only 1 of 10 trials")
