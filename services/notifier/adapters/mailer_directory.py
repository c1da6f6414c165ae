"""Mails as files, for a system without a relay: MAIL_DIR/<event id>.eml, whole or not there at all.

The name is the mail's own, so that a repeated attempt replaces its file. The files hold API keys and can be
read by their owner only.
"""

import asyncio
import os
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path

import structlog

from services.notifier.domain.delivery import Accepted, Attempt, RelayFailed

log = structlog.get_logger()


class DirectoryMailer:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: EmailMessage) -> Attempt:
        """Does not raise when the folder cannot be written."""
        name = message["Message-ID"].strip("<>").partition("@")[0]
        try:
            await asyncio.to_thread(self._write, f"{name}.eml", message.as_bytes())
        except OSError as error:
            log.warning("mail_dir_failed", error=type(error).__name__)
            return RelayFailed(code=None)
        return Accepted()

    async def check(self, _: Address) -> None:
        """Raises OSError when files cannot be made there."""
        await asyncio.to_thread(self._write, ".probe", b"")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        unfinished = self._folder / f".{name}.{os.getpid()}"
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        unfinished.replace(self._folder / name)
