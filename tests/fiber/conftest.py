"""A builder of small networks written as the files that users write, inside the shipped scenario."""

import pytest

from eqci_space.scenario import Demand, LinkRules

NODE_COLUMNS = "node,name,country,domain,role,trust,latitude_deg,longitude_deg,operator"
LINK_COLUMNS = "link,a,b,length_km,loss_db,medium,corridor,listed_sites,operator,status,confidence"


@pytest.fixture
def hand_made(scenario, tmp_path):
    """Return `build(nodes, links, demands, ...)`: a scenario of a network folder written for one test.

    Nodes are "name country domain [operator]", links "name a b [km [dB [corridor [operator]]]]" of listed sites; every
    link gives `rate_bit_s` unless that is None. Demands are dicts or tuples (a, b, bit a day). Other arguments replace
    fields of the scenario, `links` the rules of single links; those of `fiber` its fields.
    """

    def build(nodes, links, demands, /, *, rate_bit_s=1000.0, fiber=None, listed_sites=1, **changes):
        folder = tmp_path / "network"
        folder.mkdir(exist_ok=True)
        lines = [NODE_COLUMNS]
        for i, text in enumerate(nodes):
            name, country, domain, *operator = text.split()
            owner = operator[0] if operator else ""
            lines.append(f"{name},{name},{country},{domain},hub,trusted,{50 + 0.1 * i},{10 + 0.1 * (i % 3)},{owner}")
        (folder / "nodes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        lines, rules = [LINK_COLUMNS], {}
        for text in links:
            name, a, b, *more = text.split()
            km, db, corridor, operator = (*more, *("50", "10", "", "")[len(more) :])
            lines.append(f"{name},{a},{b},{km},{db},terrestrial,{corridor},{listed_sites},{operator},tested,assumed")
            if rate_bit_s is not None:
                rules[name] = LinkRules(rate_bit_s=rate_bit_s)
        (folder / "links.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        asked = [
            Demand(**d) if isinstance(d, dict) else Demand(name=f"{d[0]} {d[1]}", between=d[:2], bit_per_day=d[2])
            for d in demands
        ]  # fmt: skip
        changes.setdefault("links", {}).update({k: v for k, v in rules.items() if k not in changes["links"]})
        own = {
            "network": f"{folder}/", "commissioning_factor": 1.0, "duty_cycle": 1.0, "beyond_reach": "dead",
            **(fiber or {}),
        }  # fmt: skip
        record = type(scenario.fiber).model_validate(scenario.fiber.model_dump() | own)
        changes = {"satellites": (), "stations": {}, "variants": (), **changes}
        return scenario.model_copy(update={"fiber": record, "demands": tuple(asked), **changes})

    return build


# Between A in Germany and B in Poland: over Czech C (one node), over D and P (two, at home), over E, F and D (three).
CROSSROADS = (
    ["A DE East opA", "D DE East opD", "P PL West opP", "B PL West opB", "C CZ South opC", "E DE East opE",
     "F DE East opD"],
    ["AD A D", "DP D P 50 10 x carrier", "PB P B", "AC A C", "CB C B", "AE A E", "EF E F", "FD F D"],
)  # fmt: skip


@pytest.fixture
def crossroads(hand_made, scenario):
    """Return `build(demands, satellite=None, **changes)`: seven nodes; a satellite S over stations X at D and Y at P.

    `satellite` holds fields of S, such as its nation; None is no satellite.
    """
    base = scenario.stations["PQSAT"]

    def build(demands, satellite=None, **changes):
        if satellite is not None:
            changes["stations"] = {
                name: base.model_copy(update={"name": name, "node": node, "country": country, "attach": "fibre"})
                for name, node, country in (("X", "D", "DE"), ("Y", "P", "PL"))
            }  # fmt: skip
            one = {"name": "S", "nation": "", "operator": "", **satellite}
            changes["satellites"] = (scenario.satellites[0].model_copy(update=one),)
        return hand_made(*CROSSROADS, demands, **changes)

    return build
