"""`make audit` speaks to the system that runs, and says so where none does."""

import os
from pathlib import Path

import pytest

from deploy.local.commands.audit import audit
from deploy.local.failures import LocalFailure
from deploy.local.settings import load_settings


def test_without_a_running_system_it_says_what_starts_one(tmp_path: Path) -> None:
    settings = load_settings({"LOCAL_DIR": str(tmp_path)}, env_file=Path(os.devnull))
    with pytest.raises(LocalFailure, match="make up"):
        audit(settings)
