"""`make secrets`: nothing secret stays in .env, each secret has a file that only containers are given."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.local.commands.env import env
from deploy.local.env_file import read_env_file
from deploy.local.failures import LocalFailure
from deploy.local.secrets import fresh_secrets
from deploy.local.settings import ROOT
from deploy.operations.secret_files import IN_A_FILE, NEEDED, SECRETS, addresses, find_secret, move

OVERRIDE = yaml.safe_load((ROOT / "deploy" / "compose" / "secrets.yml").read_text())
NO_SECRET = {"SEALING_PUBLIC_KEY"}
BTCPAYS_OWN = {"BTCPAY_POSTGRES_PASSWORD"}
"""Of a container that takes it in a connection string only."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With an .env as `make env` writes it."""
    (tmp_path / ".env.template").write_text((ROOT / ".env.template").read_text())
    env(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def set_in_env(checkout: Path, **settings: str) -> None:
    with (checkout / ".env").open("a") as written:
        written.writelines(f"{name}={value}\n" for name, value in settings.items())


def test_no_secret_stays_in_the_env_file(checkout: Path) -> None:
    before = read_env_file(checkout / ".env")
    moved = files(move(checkout))
    left = (checkout / ".env").read_text()
    assert [name for name in fresh_secrets().keys() - NO_SECRET if before[name] in left] == []
    assert {name: moved[name] for name in NEEDED} == {name: before[name] for name in NEEDED}


def test_what_is_no_secret_stays_as_it_was(checkout: Path) -> None:
    set_in_env(checkout, SMTP_HOST="smtp.example.com", SMTP_PASSWORD="'two words # and no comment'")
    before = read_env_file(checkout / ".env")
    folder = move(checkout)
    after = read_env_file(checkout / ".env")
    assert {name for name in before if before[name] != after[name]} <= set(SECRETS)
    assert after.keys() - before.keys() == {"COMPOSE_FILE"}
    assert (folder / "SMTP_PASSWORD").read_text() == "two words # and no comment"


def test_every_secret_of_the_template_moves() -> None:
    secret = ("_KEY", "_PASSWORD", "_SECRET", "_TOKEN", "_PEPPER")
    named = {name for name in read_env_file(ROOT / ".env.template") if name.endswith(secret)}
    assert named - NO_SECRET - BTCPAYS_OWN == set(SECRETS)


def test_the_containers_are_given_what_is_written(checkout: Path) -> None:
    assert OVERRIDE["secrets"].keys() == files(move(checkout)).keys()
    used = {
        secret if isinstance(secret, str) else secret["source"]
        for service in OVERRIDE["services"].values()
        for secret in service["secrets"]
    }
    assert used == OVERRIDE["secrets"].keys()


def test_others_on_this_host_cannot_read_them_and_the_users_inside_can(checkout: Path) -> None:
    folder = move(checkout)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    assert stat.S_IMODE((checkout / ".env").stat().st_mode) == 0o600


def test_a_second_time_changes_nothing(checkout: Path) -> None:
    folder = move(checkout)
    before = (files(folder), (checkout / ".env").read_text())
    move(checkout)
    assert (files(folder), (checkout / ".env").read_text()) == before


def test_a_changed_file_reaches_the_addresses_that_hold_it(checkout: Path) -> None:
    folder = move(checkout)
    (folder / "BILLING_PASSWORD").unlink()
    (folder / "BILLING_PASSWORD").write_text("with/a slash\n")
    move(checkout)
    assert (folder / "BILLING_DATABASE_URL").read_text() == "postgresql://billing:with%2Fa%20slash@db/gateway"


def test_a_new_value_in_the_env_file_wins_over_the_file(checkout: Path) -> None:
    set_in_env(checkout, SECRETS_FOLDER="elsewhere")
    folder = move(checkout)
    set_in_env(checkout, STRIPE_SECRET_KEY="rk_live_new")
    assert move(checkout) == folder == checkout / "elsewhere"
    assert (folder / "STRIPE_SECRET_KEY").read_text() == "rk_live_new"
    assert read_env_file(checkout / ".env")["STRIPE_SECRET_KEY"] == ""


def test_a_secret_that_is_nowhere_is_named_before_anything_is_written(checkout: Path) -> None:
    set_in_env(checkout, REDIS_PASSWORD="")
    with pytest.raises(LocalFailure, match=r"^REDIS_PASSWORD is neither in .env nor in "):
        move(checkout)
    assert not (checkout / "secrets").exists()


def test_the_operators_commands_find_a_secret_where_it_is(checkout: Path) -> None:
    pepper = read_env_file(checkout / ".env")["KEY_PEPPER"]
    for _ in range(2):
        assert find_secret(checkout, read_env_file(checkout / ".env"), "KEY_PEPPER") == pepper
        move(checkout)


def test_the_smoke_test_too(checkout: Path) -> None:
    """It runs from its own checkout, with nothing but Python."""
    scripts = checkout / "scripts"
    scripts.symlink_to(ROOT / "scripts")
    admin_key = read_env_file(checkout / ".env")["ADMIN_KEY"]
    move(checkout)
    ask = (
        "import importlib, pathlib, sys; sys.path.insert(0, 'scripts'); "
        "print(importlib.import_module('smoke-test').admin_key_of(pathlib.Path('.env').resolve()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], cwd=checkout, env=dict(os.environ), capture_output=True, text=True
    )
    assert done.stdout.strip() == admin_key, done.stderr


def test_the_addresses_are_those_of_the_compose_files() -> None:
    """With a password that says whose it is."""
    written = addresses({name: name for name in NEEDED})
    text = "".join((ROOT / "deploy" / "compose" / f"{part}.yml").read_text() for part in ("data", "gateway"))
    text += "".join(
        (ROOT / "deploy" / "compose" / f"{part}.yml").read_text()
        for part in ("accounts", "metering", "billing", "notifier")
    )
    plain = text.replace("${", "").replace(":-}", "").replace("PASSWORD}", "PASSWORD")
    assert [address for address in written.values() if f"URL: {address}\n" not in plain] == []


def test_what_stands_in_for_a_secret_is_too_short_for_one() -> None:
    """A system that is started without its files refuses to run."""
    assert len(IN_A_FILE) < 16
