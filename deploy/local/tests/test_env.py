"""`make env` fills the template with fresh secrets, once."""

from pathlib import Path

import pytest

from deploy.local.commands.env import env, filled
from deploy.local.env_file import read_env_file
from deploy.local.failures import LocalFailure
from deploy.local.secrets import fresh_secrets
from deploy.local.settings import ROOT

TEMPLATE = (ROOT / ".env.template").read_text(encoding="utf-8")


def test_every_secret_has_a_place_in_the_template(tmp_path: Path) -> None:
    secrets = fresh_secrets()
    path = tmp_path / ".env"
    path.write_text(filled(TEMPLATE, secrets))
    written = read_env_file(path)
    assert {name: written[name] for name in secrets} == secrets
    unchanged = read_env_file(ROOT / ".env.template")
    assert {name: written[name] for name in written.keys() - secrets} == {
        name: unchanged[name] for name in unchanged.keys() - secrets
    }


def test_it_is_for_its_owner_only_and_never_written_over(tmp_path: Path) -> None:
    (tmp_path / ".env.template").write_text(TEMPLATE)
    assert env(tmp_path) == 0
    first = (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    with pytest.raises(LocalFailure, match="its secrets are in use"):
        env(tmp_path)
    assert (tmp_path / ".env").read_text() == first


def test_no_comment_stands_beside_a_setting() -> None:
    """docker compose would take it for the value of an empty one."""
    assert [line for line in TEMPLATE.splitlines() if "=" in line and line[0] != "#" and "#" in line] == []


def test_two_systems_share_no_secret() -> None:
    assert not set(fresh_secrets().values()) & set(fresh_secrets().values())


def test_what_is_known_of_a_place_is_written_and_the_rest_is_as_ever(tmp_path: Path) -> None:
    root = a_checkout(tmp_path / "Model Gateway-staging")
    env(root, "staging")
    written = read_env_file(root / ".env")
    known = read_env_file(ROOT / "deploy" / "compose" / "staging.env")
    assert {name: written[name] for name in known} == known
    assert written["COMPOSE_PROJECT_NAME"] == "modelgateway-staging"
    assert written["TRIAL_TOKENS"] == read_env_file(ROOT / ".env.template")["TRIAL_TOKENS"]


def test_a_place_that_nobody_knows_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match=r"choose FOR from production, staging"):
        env(a_checkout(tmp_path / "here"), "mars")


def a_checkout(root: Path) -> Path:
    (root / "deploy").mkdir(parents=True)
    (root / "deploy" / "compose").symlink_to(ROOT / "deploy" / "compose")
    (root / ".env.template").write_text(TEMPLATE)
    return root
