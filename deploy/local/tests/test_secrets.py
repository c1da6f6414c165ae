"""Secrets are made once; what an operator gives wins, except where a server has it in its data."""

from pathlib import Path

from deploy.local.secrets import GENERATED, RECEIPTS, SEALING, load_secrets
from shared.sealing import seal, unseal


def test_the_second_start_has_the_secrets_of_the_first(tmp_path: Path) -> None:
    first = load_secrets(tmp_path / "secrets.env", {})
    assert load_secrets(tmp_path / "secrets.env", {}) == first
    assert set(first) == {*GENERATED, *SEALING, RECEIPTS}


def test_every_secret_is_its_own(tmp_path: Path) -> None:
    made = load_secrets(tmp_path / "secrets.env", {})
    assert len(set(made.values())) == len(made)


def test_the_sealing_keys_are_a_pair(tmp_path: Path) -> None:
    made = load_secrets(tmp_path / "secrets.env", {})
    assert unseal(made["SEALING_PRIVATE_KEY"], seal(made["SEALING_PUBLIC_KEY"], "a key")) == "a key"


def test_a_given_admin_key_wins_at_once(tmp_path: Path) -> None:
    load_secrets(tmp_path / "secrets.env", {})
    assert load_secrets(tmp_path / "secrets.env", {"ADMIN_KEY": "mine"})["ADMIN_KEY"] == "mine"


def test_the_password_in_the_database_stays_when_another_is_given_later(tmp_path: Path) -> None:
    first = load_secrets(tmp_path / "secrets.env", {"POSTGRES_PASSWORD": "first"})
    later = load_secrets(tmp_path / "secrets.env", {"POSTGRES_PASSWORD": "later"})
    assert first["POSTGRES_PASSWORD"] == later["POSTGRES_PASSWORD"] == "first"
