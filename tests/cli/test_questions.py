"""explain, whatif and compare."""

import pandas as pd
import pytest

from eqci_space.report.run_io import load_run

pytestmark = pytest.mark.usefixtures("studies_once")


def test_explain_answers_for_passes_and_demands(eqci, parsed, short_run):
    folder, _ = short_run
    run = load_run(folder)
    contact = str(run.contacts.index[0])
    document = parsed("explain", folder, contact)
    assert document["kind"] == "pass"
    assert contact in {row["contact_id"] for row in document["contacts"]}
    assert document["lines"] == eqci("explain", folder, contact).stdout.splitlines()
    demand = "government Berlin-Warsaw"
    document = parsed("explain", folder, demand)
    assert document["kind"] == "demand"
    assert len(document["delivery"]) == 1
    assert document["lines"][0].startswith(f"{demand}: ")
    done = eqci("explain", folder, contact.replace("EAGLE", "EAGEL"))
    assert done.exit_code == 2
    assert "no pass and no demand" in done.stderr
    assert f"did you mean '{run.windows.loc[run.contacts.iloc[0]['window_id'], 'pass_id']}'" in done.stderr
    done = eqci("explain", folder, "goverment Berlin-Warsaw")
    assert (done.exit_code, "did you mean 'government Berlin-Warsaw'" in done.stderr) == (2, True)


def test_whatif_says_what_an_outage_costs(eqci, parsed, short, tmp_path):
    part = '[[outage]]\nnode = "BER"\nstart = 2027-03-01T12:00:00Z\nend = 2027-03-02T12:00:00Z\n'
    (tmp_path / "outage.toml").write_text(part, encoding="utf-8")
    path = short()
    document = parsed("whatif", path, "--with", tmp_path / "outage.toml")
    costs = {row["demand"]: row["shortage_bit"] for row in document["demands"]}
    assert costs["data centres Frankfurt-Berlin"] == pytest.approx(5e8)
    assert costs["control Prague-Ostrava"] == 0
    assert document["changes"] == ["outage.toml"]
    done = eqci("whatif", path, "--with", tmp_path / "outage.toml")
    assert "data centres Frankfurt-Berlin: served until 2027-03-01 12:00 UTC, then 500 Mbit short" in done.stdout
    (tmp_path / "none.toml").write_text("seed = 3\n", encoding="utf-8")
    assert "every demand is served as before" in eqci("whatif", path, "--with", tmp_path / "none.toml").stdout


def test_whatif_says_where_outages_split_bins(eqci, parsed, short, tmp_path):
    part = '[[outage]]\nnode = "BER"\nstart = 2027-03-01T12:00:00Z\nend = 2027-03-02T03:30:00Z\n'
    (tmp_path / "outage.toml").write_text(part, encoding="utf-8")
    path = short()
    words = "bins are split at 2027-03-02 03:30 UTC, where outages that stop everything begin and end\n"
    assert words in eqci("whatif", path, "--with", tmp_path / "outage.toml").stdout
    assert parsed("whatif", path, "--with", tmp_path / "outage.toml")["bins_split_at"] == ["2027-03-02T03:30:00Z"]
    part = part.replace("T03:30", "T12:00")
    (tmp_path / "outage.toml").write_text(part, encoding="utf-8")
    assert "bins are split" not in eqci("whatif", path, "--with", tmp_path / "outage.toml").stdout


def test_whatif_prices_edits_in_keys(eqci, parsed, short, short_run):
    folder, _ = short_run
    contacts = load_run(folder).contacts
    banned = str(contacts.index[contacts["status"] == "planned"][0])
    path = short()
    document = parsed("whatif", path, "--ban", banned)
    (edit,) = document["edits"]
    assert (edit["name"], edit["edit"], edit["cost_keys"]) == (banned, "ban", document["cost_keys"])
    lost = -sum(row["change_bit"] for row in document["demands"]) / 256
    assert document["cost_keys"] == pytest.approx(lost)
    assert {row["change"] for row in document["contacts"]} <= {"dropped", "added", "moved", "key"}
    said = eqci("whatif", path, "--ban", banned).stdout
    assert f"ban {banned}: " in said
    assert "over all demands, mean over skies (± " in said
    assert "in expected key, a bound before and after" in said
    change = pd.DataFrame(document["demands"])
    assert document["mean_cost_keys"] == pytest.approx(-change["change_mean_bit"].sum() / 256)
    assert f"  ban {banned}: no key lost, in expected key\n" in said
    for option in ("--ban", "--pin", "--force"):
        done = eqci("whatif", path, option, banned.replace("EAGLE", "EAGEL"))
        assert (done.exit_code, "no contact, candidate, window or pass" in done.stderr) == (2, True)
        assert "did you mean 'EAGLE1-LIKE" in done.stderr
    done = eqci("whatif", path)
    assert (done.exit_code, "nothing to change; give a file by --with" in done.stderr) == (2, True)


def test_compare_of_a_run_with_itself_finds_nothing(eqci, parsed, short_run):
    folder, _ = short_run
    document = parsed("compare", folder, folder)
    assert {row["change"] for row in document["contacts"]} == {"same"}
    assert all(row["difference"] == 0 for row in document["headline"])
    assert all(row["difference_bit"] == 0 for row in document["delivery"])
    assert "no contact differs" in eqci("compare", folder, folder).stdout
