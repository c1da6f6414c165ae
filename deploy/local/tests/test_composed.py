"""STACK=compose: what is said when it cannot begin. That it works is a story (tests/compose)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deploy.local.commands.composed import composed, is_composed
from deploy.local.failures import LocalFailure
from deploy.local.ports import free_port
from deploy.local.settings import LocalSettings, load_settings


def test_only_what_differs_in_containers_is_done_here() -> None:
    assert is_composed("up", {"STACK": "compose"})
    assert not is_composed("up", {})
    assert not is_composed("logs", {"STACK": "compose"})


def test_without_an_env_file_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match="`make env` writes one"):
        composed(settings_in(tmp_path), "up")


def test_a_model_server_is_asked_for_before_anything_is_built(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    with pytest.raises(LocalFailure, match="LLAMA_BASE_URL is not set"):
        composed(settings_in(tmp_path), "up")


@pytest.mark.parametrize(
    ("command", "arguments", "service"),
    [("audit", (), "metering"), ("reconcile", (), "billing"), ("mail-test", ("a@b.example",), "notifier")],
)
def test_what_one_service_does_is_done_in_its_container(
    command: str,
    arguments: tuple[str, ...],
    service: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    put_docker(tmp_path, monkeypatch, exit_code=3)
    assert composed(settings_in(tmp_path), command, *arguments) == 3
    said = " ".join(["compose exec -T", service, "python3 -m", f"services.{service}", command, *arguments])
    assert capfd.readouterr().out.strip() == said


@pytest.mark.parametrize(
    ("answer", "said", "code"),
    [
        ({"is_up": True, "gateway": {}}, "The model answers.", 0),
        ({"is_up": False, "gateway": None}, "The model does not answer at LLAMA_BASE_URL", 1),
        ("<html>", "nothing is known of the model", 1),
    ],
    ids=["up", "down", "no json"],
)
def test_status_tells_of_the_model_too(
    answer: object,
    said: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    put_docker(tmp_path, monkeypatch, exit_code=0)
    with edge_that_says(answer) as port:
        assert composed(settings_in(tmp_path, port=port), "status") == code
    assert said in capfd.readouterr().out


def test_status_says_so_when_the_edge_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put_docker(tmp_path, monkeypatch, exit_code=0)
    assert composed(settings_in(tmp_path, port=free_port()), "status") == 1
    assert "/status does not answer" in capfd.readouterr().out


def put_docker(folder: Path, monkeypatch: pytest.MonkeyPatch, *, exit_code: int) -> None:
    """One that says what it was asked. And a file of settings."""
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\necho "$@"\nexit {exit_code}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    (folder / ".env").touch()


@contextmanager
def edge_that_says(answer: object) -> Iterator[int]:
    class Edge(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asks_rightly = self.path == "/status" and self.headers["accept"] == "application/json"
            self.send_response(200 if asks_rightly else 404)
            self.end_headers()
            self.wfile.write((answer if isinstance(answer, str) else json.dumps(answer)).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Edge) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def settings_in(root: Path, *, port: int = 8503) -> LocalSettings:
    (root / ".env.template").write_text("LLAMA_BASE_URL=\n")
    return load_settings({"PORT": str(port)}, root=root, env_file=root / ".env")
