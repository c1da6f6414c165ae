"""The record of a running system, and the table made of it."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.commands.status import table
from deploy.local.identity import find_identity
from deploy.local.state import Phase, ProcessRecord, SystemRecord, find_state, write_state


@pytest.fixture
def record() -> SystemRecord:
    identity = find_identity(os.getpid())
    assert identity is not None
    running = ProcessRecord("gateway", identity, port=8001, healthy=True, restarts=2)
    waiting = ProcessRecord("billing", None, port=8002, healthy=False, restarts=3)
    urls = {"base_url": "https://promptlyapi.com", "edge_url": "http://127.0.0.1:8503"}
    return SystemRecord(identity, Phase.READY, **urls, mails="/mail", processes=(running, waiting))


def test_what_was_written_is_read_back(tmp_path: Path, record: SystemRecord) -> None:
    write_state(tmp_path / "state.json", record)
    assert find_state(tmp_path / "state.json") == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"supervisor": 1}', '{"processes": []}'])
def test_a_record_that_cannot_be_read_is_no_record(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert find_state(tmp_path / "state.json") is None


def test_the_table_shows_what_runs_and_what_waits(record: SystemRecord) -> None:
    headings, gateway, billing = table(record.processes).splitlines()
    assert headings.split() == ["process", "pid", "port", "state", "health", "restarts"]
    assert gateway.split() == ["gateway", str(os.getpid()), "8001", "running", "ok", "2"]
    assert "waits to restart" in billing
    assert "not ready" in billing


def test_a_process_that_is_gone_is_not_shown_as_running(record: SystemRecord) -> None:
    gateway = record.processes[0]
    assert gateway.identity is not None
    gone = replace(gateway, identity=replace(gateway.identity, start_ticks=1))
    assert "waits to restart" in table([gone])
