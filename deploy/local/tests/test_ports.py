"""Ports: chosen once, kept, and chosen anew only where somebody else took one."""

import json
import socket
import tempfile
from pathlib import Path

import pytest

from deploy.local import ports
from deploy.local.ports import choose_ports, free_port, is_free


def test_a_second_start_finds_the_same_ports(tmp_path: Path) -> None:
    first = choose_ports(tmp_path / "ports.json", ["redis", "amqp"])
    assert choose_ports(tmp_path / "ports.json", ["redis", "amqp"]) == first


def test_no_two_names_share_a_port(tmp_path: Path) -> None:
    names = [f"name-{number}" for number in range(50)]
    assert len(set(choose_ports(tmp_path / "ports.json", names).values())) == len(names)


def test_a_taken_port_is_chosen_anew_and_the_others_stay(tmp_path: Path) -> None:
    first = choose_ports(tmp_path / "ports.json", ["redis", "amqp"])
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", first["redis"]))
        foreign.listen()
        second = choose_ports(tmp_path / "ports.json", ["redis", "amqp"])
    assert second["redis"] != first["redis"]
    assert second["amqp"] == first["amqp"]


def test_a_name_that_came_later_gets_a_port_and_is_recorded(tmp_path: Path) -> None:
    record = tmp_path / "ports.json"
    choose_ports(record, ["redis"])
    chosen = choose_ports(record, ["redis", "smtp"])
    assert json.loads(record.read_text()) == chosen


def test_a_port_that_was_given_and_is_not_bound_yet_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    given = [free_port() for _ in range(400)]
    assert len(set(given)) == len(given)


def test_a_promise_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ports, "FIRST", ports.LAST)
    monkeypatch.setattr(ports, "PROMISED_SECONDS", 0.0)
    assert free_port() == free_port() == ports.LAST


def test_a_port_with_a_listener_is_not_free() -> None:
    port = free_port()
    assert is_free(port)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert not is_free(port)
