"""Prometheus beside production: it finds every replica of every service by itself, and knows the alerts."""

import json
from collections import Counter
from typing import Any

from tests.support.compose_project import ComposeProject
from tests.support.wait_until import wait_until

PROFILE = {"COMPOSE_PROFILES": "observability"}
GATEWAYS = 2
ONE_OF_EACH = {"accounts": 1, "metering": 1, "billing": 1, "notifier": 1}
FOUND_WITHIN_SECONDS = 180


def test_every_replica_of_every_service_is_asked_and_answers(production: ComposeProject) -> None:
    more = ("--scale", f"gateway={GATEWAYS}")
    production.compose("up", "--detach", "--no-recreate", *more, "gateway", "prometheus", **PROFILE)
    wait_until(lambda: _answering(production) == {**ONE_OF_EACH, "gateway": GATEWAYS}, FOUND_WITHIN_SECONDS)


def test_it_keeps_what_it_is_told_under_each_services_name(production: ComposeProject) -> None:
    told = _query(production, "sum by (service) (promptly_build_info)")
    assert {each["metric"]["service"] for each in told} == {*ONE_OF_EACH, "gateway"}


def test_it_watches_for_what_the_alerts_say(production: ComposeProject) -> None:
    assert "SUCCESS" in production.run_in(
        "prometheus", "promtool", "check", "rules", "/etc/prometheus/alerts.yml"
    )

    def groups() -> list[str]:
        """Nothing before it has asked itself for the first time."""
        return [each["value"][1] for each in _query(production, "count(prometheus_rule_group_rules)")]

    wait_until(lambda: groups() == ["5"], FOUND_WITHIN_SECONDS)


def test_its_pages_are_for_this_host_only(production: ComposeProject) -> None:
    [prometheus] = production.containers("prometheus")
    bound = {
        each["HostIp"] for ports in prometheus["NetworkSettings"]["Ports"].values() for each in ports or ()
    }
    assert bound == {"127.0.0.1"}


def _answering(production: ComposeProject) -> Counter[str]:
    """Replicas by service."""
    up = _query(production, 'count by (service) (up{job="promptly"} == 1)')
    return Counter({each["metric"]["service"]: int(each["value"][1]) for each in up})


def _query(production: ComposeProject, query: str) -> list[dict[str, Any]]:
    """Nothing while it starts."""
    ask = ("promtool", "query", "instant", "--format=json", "http://127.0.0.1:9090", query)
    found: list[dict[str, Any]] = json.loads(production.run_in("prometheus", *ask))
    return found
