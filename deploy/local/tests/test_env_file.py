"""NAME=value files."""

from pathlib import Path

import pytest

from deploy.local.env_file import read_env_file, write_secret_file
from deploy.local.failures import LocalFailure


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=value", "value"),
        ("export NAME=value", "value"),
        ("NAME=value   # said why", "value"),
        ("NAME='a # b'", "a # b"),
        ('NAME="quoted"', "quoted"),
        ("NAME=a=b", "a=b"),
        ("NAME=", ""),
        ("NAME=   # nothing yet", ""),
        ("NAME=Promptly <keys@example.com>", "Promptly <keys@example.com>"),
    ],
)
def test_a_line_gives_its_value(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / "env").write_text(f"# a comment\n\n{line}\n")
    assert read_env_file(tmp_path / "env") == {"NAME": value}


def test_a_line_that_is_no_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("A=1\nwhat is this\n")
    with pytest.raises(LocalFailure, match="Line 2"):
        read_env_file(tmp_path / "env")


def test_a_file_that_is_not_there_has_no_settings(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / "env") == {}


def test_secrets_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    write_secret_file(tmp_path / "secrets.env", {"ADMIN_KEY": "x"})
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert read_env_file(tmp_path / "secrets.env") == {"ADMIN_KEY": "x"}
