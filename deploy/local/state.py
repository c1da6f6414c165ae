"""What one system is running, on disk, so that another command can see it and a later start can clean up.

Written whole after every change. After a crash the record is older than the truth by at most one process,
and that one ended with its parent (processes.py)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from deploy.local.identity import Identity


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    name: str
    identity: Identity | None
    port: int | None
    healthy: bool
    restarts: int


@dataclass(frozen=True, slots=True)
class SystemRecord:
    """`base_url` is what the world calls it, `edge_url` where it really listens."""

    supervisor: Identity
    phase: Phase
    base_url: str
    edge_url: str
    mails: str
    processes: tuple[ProcessRecord, ...] = field(default=())


def write_state(path: Path, record: SystemRecord) -> None:
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(json.dumps(asdict(record), indent=2))
    draft.rename(path)


def find_state(path: Path) -> SystemRecord | None:
    """None when nothing was recorded, or by a version that recorded otherwise."""
    try:
        return _parse(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _parse(data: Mapping[str, Any]) -> SystemRecord:
    return SystemRecord(
        supervisor=Identity(**data["supervisor"]),
        phase=Phase(data["phase"]),
        base_url=data["base_url"],
        edge_url=data["edge_url"],
        mails=data["mails"],
        processes=tuple(_parse_process(each) for each in data["processes"]),
    )


def _parse_process(data: Mapping[str, Any]) -> ProcessRecord:
    identity = Identity(**data["identity"]) if data["identity"] else None
    return ProcessRecord(**{**data, "identity": identity})
