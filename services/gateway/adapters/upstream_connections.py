"""The connections to one model server: those at work belong to who took them, the idle ones wait here.

An idle one is used again only within what the server promised (domain/keep_alive.py), and never twice for one request.
There are no more than requests at once: whoever asks is bounded.
"""

import asyncio
import ssl
from dataclasses import dataclass
from time import monotonic
from urllib.parse import SplitResult

from services.gateway.adapters.upstream_connection import UpstreamConnection
from services.gateway.domain.errors import UpstreamUnreachable

CONNECT_TIMEOUT_SECONDS = 5.0
TIDY_SECONDS = 1.0
PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class _Idle:
    connection: UpstreamConnection
    until: float


class UpstreamConnections:
    def __init__(self, url: SplitResult) -> None:
        self._host = url.hostname or ""
        self._port = url.port or PORTS[url.scheme]
        self._tls = ssl.create_default_context() if url.scheme == "https" else None
        self._idle: list[_Idle] = []
        self._tidying: asyncio.TimerHandle | None = None

    async def take(self) -> UpstreamConnection:
        """The one that was used last, or a new one. Raises UpstreamUnreachable."""
        while self._idle:
            idle = self._idle.pop()
            if idle.connection.is_idle and monotonic() < idle.until:
                return idle.connection
            idle.connection.close()
        return await self._open()

    def give_back(self, connection: UpstreamConnection) -> None:
        """Closed, unless its answer was read to the end and the server takes another request."""
        promise = connection.promise
        if not connection.is_idle or connection.answers >= promise.requests_max:
            connection.close()
            return
        self._idle.append(_Idle(connection, monotonic() + promise.kept_seconds))
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, self._tidy)

    def close(self) -> None:
        """The idle ones."""
        if self._tidying is not None:
            self._tidying.cancel()
            self._tidying = None
        for idle in self._idle:
            idle.connection.close()
        self._idle.clear()

    def _tidy(self) -> None:
        """An idle connection keeps one of llama-server's few threads busy."""
        now, self._tidying = monotonic(), None
        gone = [idle for idle in self._idle if now >= idle.until or not idle.connection.is_idle]
        self._idle = [idle for idle in self._idle if idle not in gone]
        for idle in gone:
            idle.connection.close()
        if self._idle:
            self._tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, self._tidy)

    async def _open(self) -> UpstreamConnection:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                _, connection = await asyncio.get_running_loop().create_connection(
                    UpstreamConnection, self._host, self._port, ssl=self._tls
                )
        except (
            OSError,
            UnicodeError,
        ) as error:  # time, a name nobody knows or that is none, TLS nobody trusts, too
            raise UpstreamUnreachable("The model server cannot be reached. Nothing was charged.") from error
        return connection
