"""What a newcomer is told to try, with the values of this very system."""

import os
from pathlib import Path

from deploy.local.next_steps import next_steps
from deploy.local.settings import load_settings


def steps(**environment: str) -> list[str]:
    text = next_steps(load_settings(environment, env_file=Path(os.devnull)))
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def test_there_are_three_commands() -> None:
    key, curl, page = steps()
    assert key == "KEY=$(make -s key EMAIL=you@example.com)"
    assert curl.startswith("curl http://127.0.0.1:8503/v1/chat/completions ")
    assert page == "xdg-open http://127.0.0.1:8503/local/mail"


def test_they_name_another_port_and_folder() -> None:
    key, curl, _ = steps(PORT="8600", LOCAL_DIR="/tmp/my system")  # noqa: S108  # nothing is written there
    assert key.endswith(" LOCAL_DIR='/tmp/my system')")
    assert "http://127.0.0.1:8600/" in curl


def test_without_the_mailbox_the_third_is_the_dashboard() -> None:
    assert steps(SMTP_HOST="mail.example.com")[2].endswith("/dashboard")
