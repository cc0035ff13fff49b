"""eqci sweep and eqci coverage."""


def test_sweep_tabulates_options(eqci, parsed, short):
    document = parsed("sweep", short(), "--set", "satellite.0.orbit.ltan_h=22.5,10.5")
    assert [row["satellite.0.orbit.ltan_h"] for row in document["rows"]] == [22.5, 10.5]
    assert document["rows"][0]["windows"] > 0
    assert eqci("sweep", short(), "--set", "seed").exit_code == 2
    assert "stand in quotes" in " ".join(eqci("sweep", short(), "--set", "name=x").stderr.replace("│", " ").split())


def test_coverage_counts_points_and_lists_maps(parsed, short, tmp_path):
    document = parsed("coverage", short(), "--out", tmp_path / "maps", "--resolution", "5")
    assert document["points"] == len(document["rows"]) > 20
    assert all(path.endswith(".png") for path in document["maps"])
    assert document["key_lookup_error"]["windows"] > 0
    assert (tmp_path / "maps" / "coverage.gpkg").is_file()
