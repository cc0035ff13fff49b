"""eqci doctor."""


def test_doctor_finds_everything_well(eqci, parsed):
    done = eqci("doctor")
    assert done.exit_code == 0
    assert "all checksums right" in done.stdout
    assert "as expected" in done.stdout
    document = parsed("doctor")
    assert document["well"] is True
    assert document["data"]["changed"] == []
    assert abs(document["self_test"]["bit_s"] / 273_872.7 - 1) < 1e-5
