"""The queries of the alerts and of the dashboard, and the metrics and labels that each of them names."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parents[2] / "deploy" / "observability"
DASHBOARD = HERE / "grafana" / "dashboards" / "promptly.json"
METRIC = re.compile(r"\b(promptly_\w+|process_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric as a query names it, with the labels that it is narrowed by."""

    metric: str
    labels: frozenset[str]


def alerts() -> dict[str, dict[str, Any]]:
    """By name."""
    groups = yaml.safe_load((HERE / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """Every query there is, by where it stands."""
    found = {f"alert {name}": rule["expr"] for name, rule in alerts().items()}
    for panel in panels():
        found |= {f"panel {panel['title']} {each['refId']}": each["expr"] for each in panel["targets"]}
    return found


def selectors_of(query: str) -> set[Selector]:
    return {Selector(name, frozenset(LABEL.findall(labels))) for name, labels in METRIC.findall(query)}
