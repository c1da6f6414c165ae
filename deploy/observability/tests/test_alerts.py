"""The alerts are what Prometheus takes, fire when they should, and each says what to do."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.observability_files import DASHBOARD, HERE, alerts, panels, queries
from tests.support.promtool import promtool

RUNBOOK = Path(__file__).parents[3] / "docs" / "operations" / "runbook.md"
HEADING = re.compile(r"^## (\w+)$", re.MULTILINE)
SECTION = re.compile(r"^## (\w+)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def test_prometheus_takes_its_configuration_and_the_alerts() -> None:
    assert f"SUCCESS: {len(alerts())} rules found" in promtool(HERE, "check", "rules", "alerts.yml")


def test_the_important_ones_fire_when_they_should_and_not_before() -> None:
    said = promtool(HERE, "test", "rules", "alerts.test.yml", "alerts.hours.test.yml")
    assert said.count("SUCCESS") == 2


def test_every_alert_that_wakes_somebody_has_such_a_test() -> None:
    files = (HERE / name for name in ("alerts.test.yml", "alerts.hours.test.yml"))
    asked = [
        each
        for file in files
        for test in yaml.safe_load(file.read_text())["tests"]
        for each in test["alert_rule_test"]
    ]
    fired = {each["alertname"] for each in asked if each["exp_alerts"]}
    silent = {each["alertname"] for each in asked if not each["exp_alerts"]}
    pages = {name for name, rule in alerts().items() if rule["labels"]["severity"] == "page"}
    assert pages - fired == set()
    assert pages - silent == set()


def test_every_query_of_the_dashboard_can_be_parsed(tmp_path: Path) -> None:
    """As rules, because that is what promtool parses; with what Grafana fills in."""
    rules = [
        {"record": f"panel_{number}", "expr": query.replace("$__rate_interval", "1m")}
        for number, query in enumerate(queries().values())
    ]
    tmp_path.chmod(0o755)
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    (tmp_path / "panels.yml").chmod(0o644)
    assert f"SUCCESS: {len(rules)} rules found" in promtool(tmp_path, "check", "rules", "panels.yml")


def test_every_alert_has_a_section_of_the_runbook_and_every_section_an_alert() -> None:
    anchors = {
        rule["annotations"]["runbook"].removeprefix("docs/operations/runbook.md#")
        for rule in alerts().values()
    }
    assert anchors == {name.lower() for name in alerts()}
    assert set(HEADING.findall(RUNBOOK.read_text(encoding="utf-8"))) == set(alerts())


@pytest.mark.parametrize("name", sorted(alerts()))
def test_a_section_says_what_it_means_where_to_look_and_what_to_do(name: str) -> None:
    sections = dict(SECTION.findall(RUNBOOK.read_text(encoding="utf-8")))
    for step in ("**Means**", "**Look**", "**Act**"):
        assert step in sections[name]


def test_every_alert_says_how_bad_it_is_and_what_in_a_sentence() -> None:
    assert {rule["labels"]["severity"] for rule in alerts().values()} == {"page", "ticket"}
    assert all(rule["annotations"]["summary"].endswith(".") for rule in alerts().values())


def test_the_dashboard_is_whole() -> None:
    """What Grafana needs of each panel, as its schema has it; Grafana itself does not run here."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    provisioned = yaml.safe_load((HERE / "grafana/provisioning/datasources/prometheus.yml").read_text())
    [source] = provisioned["datasources"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert len({panel["title"] for panel in panels()}) == len(panels())
    for panel in panels():
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["targets"]


def test_no_two_panels_cover_each_other() -> None:
    cells = [
        (x, y)
        for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
