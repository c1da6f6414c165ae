"""A client that listens to one answer and remembers its status, when each token came, and how it ended."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx

from tests.support.mixed_load import CHAT
from tests.support.newcomers import Newcomer

TOKEN = '"content":" word"'


class Listening:
    """`end` is "done", "error" (an error frame), or "broken" (the connection)."""

    def __init__(self, url: str, newcomer: Newcomer, body: dict[str, Any]) -> None:
        self.body = body
        self.status: int | None = None
        self.received_at: list[float] = []
        self.end = "broken"
        self.finished = asyncio.create_task(self._listen(url, newcomer))

    def received_before(self, instant: float) -> int:
        return sum(at < instant for at in self.received_at)

    async def _listen(self, url: str, newcomer: Newcomer) -> None:
        async with httpx.AsyncClient(base_url=url, timeout=None) as client:  # noqa: S113 - it may stand still
            with suppress(httpx.HTTPError):
                async with client.stream("POST", CHAT, json=self.body, headers=newcomer.headers) as reply:
                    self.status = reply.status_code
                    async for line in reply.aiter_lines():
                        self._take(line)

    def _take(self, line: str) -> None:
        if TOKEN in line:
            self.received_at.append(asyncio.get_running_loop().time())
        elif line == "data: [DONE]":
            self.end = "done"
        elif line.startswith('data: {"error"'):
            self.end = "error"
