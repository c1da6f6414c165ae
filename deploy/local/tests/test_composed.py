"""STACK=compose: what is said when it cannot begin. That it works is a story (tests/compose)."""

from pathlib import Path

import pytest

from deploy.local.commands.composed import composed, is_composed
from deploy.local.failures import LocalFailure
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
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "$@"\nexit 3\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / ".env").touch()
    assert composed(settings_in(tmp_path), command, *arguments) == 3
    said = " ".join(["compose exec -T", service, "python3 -m", f"services.{service}", command, *arguments])
    assert capfd.readouterr().out.strip() == said


def settings_in(root: Path) -> LocalSettings:
    (root / ".env.template").write_text("LLAMA_BASE_URL=\n")
    return load_settings({}, root=root, env_file=root / ".env")
