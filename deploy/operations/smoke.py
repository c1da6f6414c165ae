"""smoke: scripts/smoke-test.py against the system of this folder, unless its options name another."""

import os
import subprocess
import sys
from collections.abc import Sequence

from deploy.local.env_file import read_env_file
from deploy.local.settings import LocalSettings
from deploy.operations.secret_files import find_secret


def smoke(settings: LocalSettings, options: Sequence[str]) -> int:
    """The exit code is the script's. The admin key goes by the environment: arguments can be seen by all."""
    where = [] if any(option.startswith("--url") for option in options) else ["--url", settings.edge_url]
    made = read_env_file(settings.local_dir / "secrets.env").get("ADMIN_KEY", "")
    known = find_secret(settings.root, settings.given, "ADMIN_KEY")
    admin_key = known or ("" if os.environ.get("STACK") == "compose" else made)
    command = [sys.executable, str(settings.root / "scripts" / "smoke-test.py"), *where, *options]
    return subprocess.run(command, env={**os.environ, "ADMIN_KEY": admin_key}, check=False).returncode
