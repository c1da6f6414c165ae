"""`make mail-test` asks the notifier of the system as it is, and leaves that as it is."""

import socket
from pathlib import Path

import pytest

from deploy.local.commands.mail_test import mail_test
from deploy.local.failures import LocalFailure
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.settings import load_settings
from deploy.local.system import System


@pytest.mark.parametrize(("to", "says"), [("", "TO=you@example.com"), ("a@b.c", "`make up` makes one")])
def test_what_is_missing_is_named(to: str, says: str, tmp_path: Path) -> None:
    settings = load_settings({"LOCAL_DIR": str(tmp_path)}, env_file=tmp_path / ".env")
    with pytest.raises(LocalFailure, match=says):
        mail_test(settings, to)


def test_it_uses_the_settings_and_keeps_the_ports_of_a_running_system(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    relay = {"SMTP_HOST": LOOPBACK, "SMTP_PORT": str(free_port()), "SMTP_FROM": "keys@example.com"}
    settings = load_settings({"LOCAL_DIR": str(tmp_path), **relay}, env_file=tmp_path / ".env")
    ports = System.choose(settings, {}).ports
    with socket.create_server((LOOPBACK, ports["gateway"])):
        assert mail_test(settings, "ada@example.com") == 1
    assert System.choose(settings, {}).ports == ports
    assert "check SMTP_HOST, SMTP_PORT" in capfd.readouterr().err
