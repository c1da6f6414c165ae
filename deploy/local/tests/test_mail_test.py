"""`make mail-test` says what is missing before it starts anything."""

from pathlib import Path

import pytest

from deploy.local.commands.mail_test import mail_test
from deploy.local.failures import LocalFailure
from deploy.local.settings import load_settings


@pytest.mark.parametrize(("to", "says"), [("", "TO=you@example.com"), ("a@b.c", "`make up` makes one")])
def test_what_is_missing_is_named(to: str, says: str, tmp_path: Path) -> None:
    settings = load_settings({"LOCAL_DIR": str(tmp_path)}, env_file=tmp_path / ".env")
    with pytest.raises(LocalFailure, match=says):
        mail_test(settings, to)
