"""A step of the database as a process: a setting is a value or the file that NAME_FILE names; a failure is one sentence."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import asyncpg


def read(*names: str) -> dict[str, str]:
    """Each with its value. Ends the process where one is missing."""
    values = {name: _value(name) for name in names}
    if missing := [name for name, value in values.items() if not value]:
        sys.exit(f"Set {', '.join(missing)} in the environment.")
    return values


def run(doing: Coroutine[Any, Any, None]) -> None:
    """Ends the process where PostgreSQL refuses or is not there; what is late says nothing by itself."""
    try:
        asyncio.run(doing)
    except (asyncpg.PostgresError, OSError) as error:
        sys.exit(f"PostgreSQL: {str(error) or type(error).__name__}")


def _value(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        sys.exit(f"{name}_FILE is wrong: {path} cannot be read ({error.strerror}).")
