"""A day with an uplink from the file to the report: planned, verified, simulated, written and read again."""

import pandas as pd
import pytest
from typer.testing import CliRunner

import eqci_space as eq
from eqci_space.cli import app
from eqci_space.studies.coverage import coverage


@pytest.fixture(scope="module")
def folder(uplink_study, tmp_path_factory):
    path = tmp_path_factory.mktemp("uplink") / "run"
    with pytest.MonkeyPatch.context() as patch:  # laying figures out takes most of the time of a run
        patch.setattr("eqci_space.report.page.figures.svg_text", lambda axes: "<svg/>\n")
        uplink_study.save(path, trials=10)
    return path


def test_the_pass_brings_key_at_the_satellite(uplink_study):
    """One pass of 84°: 1.29 Mbit sifted at 2.4 % and 199 kbit of key, where 100 MHz leave the ground."""
    (key,) = uplink_study.keys.itertuples()
    assert key.sifted_bit == pytest.approx(1.286e6, rel=2e-3)
    assert key.qber == pytest.approx(0.0241, abs=2e-4)
    assert key.skl_bit == pytest.approx(199_100, rel=5e-3)
    # All pulses at the brightest intensity and all noise: what is sifted is most of it, and never more.
    budget = uplink_study.budget
    most = 1e8 * (budget["weight_s"] * (0.7 * budget["transmittance"] + 4 * budget["extraneous_probability"])).sum()
    assert 0.3 * most < key.sifted_bit < most


def test_a_run_is_planned_verified_written_and_read_again(folder, uplink_study, uplinked):
    eq.verify_plan(uplink_study.plan, uplink_study.windows, uplinked)
    run = eq.load_run(folder)
    (contact,) = run.contacts.itertuples()
    assert (contact.satellite, contact.ogs, contact.status) == ("RISER", "GRAZ", "planned")
    assert contact.skl_bit == pytest.approx(uplink_study.keys["skl_bit"].iloc[0], rel=1e-6)
    stores = uplink_study.relay.stores
    space = stores[stores["kind"] == "space"]
    assert set(space["edge"]) == {"RISER|GRAZ"}
    assert space["deposited_bit"].sum() == pytest.approx(contact.expected_skl_bit, rel=1e-6)
    assert run.manifest["unproven_links"] == ["RISER"]
    assert run.manifest["simulation"]["trials"] == 10


def test_the_report_shows_the_turbulence_and_the_light_of_the_earth(folder):
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "turbulence of the uplink" in html
    assert "the Earth adds 55 clicks per second" in html
    assert "ground-13cm-785nm" in html


def test_the_crew_knows_that_its_station_sends(folder):
    (row,) = pd.read_csv(folder / "crew-GRAZ.csv").itertuples()
    assert (row.satellite, row.sends) == ("RISER", "station")
    assert "RISER: this station sends, night 01/02 Mar 2027" in (folder / "crew-GRAZ.html").read_text(encoding="utf-8")


def test_the_command_line_knows_the_uplink(upwards):
    path = upwards()

    def said(*arguments):
        done = CliRunner().invoke(app, [*arguments, str(path)], prog_name="eqci")
        assert done.exit_code == 0, done.stderr
        return done.stdout

    assert "1 satellite (1 uplinked), 1 station" in said("check")
    assert "turbulence_loss_db" in said("budget").splitlines()[0]
    assert said("keys").splitlines()[1].startswith("RISER/GRAZ/20270301T205047Z/1,")
    upwards(("tracked = true", "tracked = true\npower_w = 1"))
    done = CliRunner().invoke(app, ["check", str(path)], prog_name="eqci")
    assert done.exit_code == 2
    assert "satellite.0 ('RISER').uplink.power_w: unknown key" in done.stderr


def test_a_map_of_uplinks_agrees_with_the_passes_that_it_checks(uplinked):
    """One place, a month: the light of a window stands for its pass upwards too."""
    table = coverage(uplinked, resolution_deg=2, region=(10.0, 48.0, 12.0, 50.0))
    assert len(table) == 1
    assert (table["clear_sky_key_bit"] > 1e5).all()
    assert table.attrs["key_lookup_error"]["month_largest"] < 0.03
