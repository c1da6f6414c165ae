"""A mail server that keeps each mail as a file before it answers 250, and can be told to be unkind first."""

from collections import Counter, deque
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

MAIL_BYTES_MAX = 1024 * 1024


class Unkindness(StrEnum):
    TRY_LATER = "451"
    NO_SUCH_PERSON = "550"
    CONTENT_REFUSED = "554 content"
    HANGS_UP_AFTER_DATA = "hangs up after DATA"


class MailServer:
    """`folder` has what was accepted. `unkind` is used up mail by mail; after it the server is kind."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.unkind: deque[Unkindness] = deque()
        self.refused: Counter[Unkindness] = Counter()
        self._numbers = count(1)
        self._controller: Any = None

    def start(self, port: int) -> None:
        self._controller = Controller(self, "127.0.0.1", port, data_size_limit=MAIL_BYTES_MAX)
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.unkind and self.unkind[0] in (Unkindness.TRY_LATER, Unkindness.NO_SUCH_PERSON):
            how = self._use()
            return "451 later" if how is Unkindness.TRY_LATER else "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        how = self._use() if self.unkind else None
        if how is Unkindness.CONTENT_REFUSED:
            return "554 not this"
        self._keep(envelope)
        if how is Unkindness.HANGS_UP_AFTER_DATA:
            server.transport.abort()
        return "250 kept"

    @property
    def refused_for_good(self) -> int:
        return self.refused[Unkindness.NO_SUCH_PERSON] + self.refused[Unkindness.CONTENT_REFUSED]

    def _use(self) -> Unkindness:
        how = self.unkind.popleft()
        self.refused[how] += 1
        return how

    def _keep(self, envelope: Any) -> None:
        name = f"{next(self._numbers):06d}.eml"
        draft = self.folder / f".{name}.part"
        recipients = ", ".join(envelope.rcpt_tos)
        draft.write_bytes(f"X-Envelope-To: {recipients}\r\n".encode() + envelope.content)
        draft.rename(self.folder / name)
