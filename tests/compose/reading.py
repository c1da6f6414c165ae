"""The compose files as plain data, for tests that need no container engine."""

import re
from functools import cache
from typing import Any

import yaml

from deploy.local.settings import ROOT

FOLDER = ROOT / "deploy" / "compose"
NOT_STARTED_ALONE = ("base", "together", "secrets")
PARTS = tuple(sorted(path.stem for path in FOLDER.glob("*.yml") if path.stem not in NOT_STARTED_ALONE))
INTERPOLATED = re.compile(r"(?<!\$)\$\{([A-Z][A-Z0-9_]*)")


@cache
def read_part(part: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{part}.yml").read_text())
    return read


def list_services(part: str) -> list[str]:
    return list(read_part(part)["services"])


def merged_environment(part: str, name: str) -> dict[str, str]:
    """What the container is given, with what it extends."""
    service = read_part(part)["services"][name]
    base = read_part("base")["services"][service["extends"]["service"]] if "extends" in service else {}
    return {**base.get("environment", {}), **service.get("environment", {})}


def interpolated_names(part: str) -> set[str]:
    """Settings that this file asks compose for, with those of what it extends."""
    text = (FOLDER / f"{part}.yml").read_text()
    if "base.yml" in text:
        text += (FOLDER / "base.yml").read_text()
    return set(INTERPOLATED.findall(text))
