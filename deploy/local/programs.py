"""Where the servers' programs lie on this machine. Standard library only: runs before the venv exists."""

import os
import re
import shutil
from pathlib import Path

from deploy.local.failures import LocalFailure

# Debian keeps daemons in sbin, which a user's PATH leaves out.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])

PACKAGES = {
    "PostgreSQL": "postgresql",
    "Redis": "redis-server",
    "RabbitMQ": "rabbitmq-server",
    "nginx": "nginx",
}


def find_program(name: str) -> Path | None:
    found = shutil.which(name, path=SEARCH_PATH)
    return Path(found) if found else None


def get_program(name: str, *, server: str) -> Path:
    return find_program(name) or _missing(server)


def find_postgres_folder() -> Path | None:
    """The folder of initdb and postgres, the newest version first; they are not on Debian's PATH."""
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest_first = sorted(installed, key=lambda path: _version(path.parts[-3]), reverse=True)
    on_path = find_program("initdb")
    candidates = [*newest_first, *([on_path] if on_path else [])]
    return candidates[0].parent if candidates else None


def get_postgres_folder() -> Path:
    return find_postgres_folder() or _missing("PostgreSQL")


def find_rabbitmq() -> Path | None:
    """The plain start script; Debian's wrapper in sbin insists on its own user and system paths."""
    plain = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    return plain if plain.exists() else find_program("rabbitmq-server")


def get_rabbitmq() -> Path:
    return find_rabbitmq() or _missing("RabbitMQ")


def list_missing_servers() -> list[str]:
    found = {
        "PostgreSQL": find_postgres_folder(),
        "Redis": find_program("redis-server"),
        "RabbitMQ": find_rabbitmq(),
        "nginx": find_program("nginx"),
    }
    return [server for server, path in found.items() if path is None]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _missing(server: str) -> Path:
    raise LocalFailure(f"{server} is not installed: run `apt-get install {PACKAGES[server]}` as root.")
