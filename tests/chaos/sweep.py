"""Looks for secrets in every file that anything keeps: tables and WAL, queue files, AOF, logs, mail spool.

As text and as hexadecimal digits. Keys belong into the mails that bring them, and nowhere else."""

import asyncio
import mmap
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import asyncpg

from deploy.local.servers.postgres import data_folder
from tests.chaos.specs import SETTINGS
from tests.chaos.system import Chaos

CANARY = "word word word"
"""What prompts and answers are made of."""
SYSTEM_SECRETS = ("ADMIN_KEY", "INTERNAL_TOKEN", "KEY_PEPPER", "SEALING_PRIVATE_KEY", "RECEIPT_SIGNING_KEY")
OTHERS = (
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "BTCPAY_API_KEY",
    "BTCPAY_WEBHOOK_SECRET",
    "LLAMA_API_KEY",
)
EMPTY = 0
MAILS = "mails"
KEY = re.compile(rb"sk-[0-9A-Za-z]{44}|736b2d[0-9a-f]{88}")
"""As text, and in hexadecimal digits."""


async def sweep(chaos: Chaos) -> list[str]:
    """Where which secret was found; the secret itself is not told."""
    connection = await asyncpg.connect(chaos.backing.postgres)
    await connection.execute("CHECKPOINT")
    await connection.close()
    return await asyncio.to_thread(lambda: list(find(secrets_of(chaos), places_of(chaos))))


def secrets_of(chaos: Chaos) -> dict[str, bytes]:
    """By what to call them; keys are known by their form."""
    system = {name: chaos.secrets[name] for name in SYSTEM_SECRETS}
    given = {name: SETTINGS[name] for name in OTHERS}
    return {name: text.encode() for name, text in {**system, **given, "a prompt": CANARY}.items()}


def places_of(chaos: Chaos) -> dict[str, list[Path]]:
    """Folders whose every file is looked at, by what to call them."""
    local, disk = chaos.system.settings.local_dir, chaos.postgres_disk
    return {
        "PostgreSQL's files": [data_folder(local / "postgres"), *([disk] if disk else [])],
        "RabbitMQ's files": [local / "rabbitmq" / "data", local / "rabbitmq" / "log"],
        "Redis's files": [local / "redis" / "data"],
        "logs": [local / "log", chaos.home / "model.log"],
        MAILS: [chaos.mail_server.folder],
    }


def find(secrets: Mapping[str, bytes], places: Mapping[str, Iterable[Path]]) -> Iterator[str]:
    for place, folders in places.items():
        for path in (file for folder in folders for file in _files(folder)):
            yield from (f"{name} lies in {place}: {path.name}" for name in _named_in(path, secrets, place))


def _named_in(path: Path, secrets: Mapping[str, bytes], place: str) -> list[str]:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = [name for name, secret in secrets.items() if _contains(content, secret)]
            return found + (["a key"] if place != MAILS and KEY.search(content) else [])
    except (OSError, ValueError):  # it went away, or became empty
        return []


def _contains(content: mmap.mmap, secret: bytes) -> bool:
    return content.find(secret) >= 0 or content.find(secret.hex().encode()) >= 0


def _files(folder: Path) -> Iterator[Path]:
    found = [folder] if folder.is_file() else folder.rglob("*")
    return (path for path in found if path.is_file() and path.stat().st_size > EMPTY)
