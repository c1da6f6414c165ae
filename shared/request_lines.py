"""The lines of the request log, a few at a time: to write each by itself costs as much as admitting its request.

The same JSON as of every other line (shared/logging.py), which starts it; until then nothing is kept here. The last
FLUSH_SECONDS of them are lost with a process that is killed, and with no other.
"""

import asyncio
import atexit
import sys
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quoted
from typing import TextIO

FLUSH_SECONDS = 0.1
LINES_MAX = 500


class RequestLines:
    def __init__(self, service: str, out: TextIO) -> None:
        self._end = f'"event": "request", "level": "info", "service": {quoted(service)}, '
        self._out = out
        self._lines: list[str] = []

    def add(
        self, request_id: str, method: str, path: str, status: int, account_id: str | None, duration_ms: float
    ) -> None:
        account = "null" if account_id is None else quoted(account_id)
        self._lines.append(
            f'{{"method": {quoted(method)}, "path": {quoted(path)}, "status": {status}, "account_id": {account}, '
            f'"duration_ms": {duration_ms}, {self._end}"request_id": {quoted(request_id)}, "timestamp": "{_now()}"}}\n'
        )
        if len(self._lines) == 1:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= LINES_MAX:
            self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._out.write("".join(lines))
            self._out.flush()


_started: RequestLines | None = None


def start(service: str) -> None:
    global _started
    _started = RequestLines(service, sys.stdout)
    atexit.register(_started.flush)


def stop() -> None:
    global _started
    _started = None


def started() -> RequestLines | None:
    """None where logs are not JSON lines, or not of this level."""
    return _started


def _now() -> str:
    return datetime.now(UTC).isoformat()[:-6] + "Z"
