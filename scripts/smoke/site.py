"""A deployment as a client sees it: one connection, plain requests, and what a check makes of the answers."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 120
"""A whole answer of a busy model."""
PATIENCE_SECONDS = 20
"""For a mail to arrive, a balance to follow, an account to be known."""
POLL_SECONDS = 0.5


class Wrong(Exception):
    """What a check saw instead of what should be."""


class LeftOut(Exception):
    """A check that cannot be made here, and why."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise Wrong(f"status {self.status}, and no JSON: {self.text[:80]!r}") from error

    def require(self, status: int) -> "Reply":
        if self.status != status:
            raise Wrong(f"status {self.status} instead of {status}: {' '.join(self.text.split())[:120]}")
        return self


@dataclass
class Site:
    """One connection, kept open; redirects are not followed."""

    url: str
    verbose: bool
    connection: http.client.HTTPConnection | None = None

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def get(self, path: str, **headers: str) -> Reply:
        return self._ask("GET", path, None, headers)

    def form(self, path: str, **fields: str) -> Reply:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
        return self._ask("POST", path, urlencode(fields), headers)

    def post(self, path: str, key: str, body: Mapping[str, Any]) -> Reply:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        return self._ask("POST", path, json.dumps(body), headers)

    def _ask(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Reply:
        began = time.monotonic()
        try:
            reply = self._send(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Wrong(f"{self.url} does not answer: {error or type(error).__name__}") from error
        if self.verbose:
            shown = path.partition("?")[0]
            print(f"    {method} {shown} {reply.status} {time.monotonic() - began:.2f} s", file=sys.stderr)
        return reply

    def _send(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(self.url)
        if self.connection is None:
            secure = parts.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self.connection = kind(parts.netloc, timeout=TIMEOUT_SECONDS)
        self.connection.request(method, parts.path.rstrip("/") + path, body, dict(headers))
        answer = self.connection.getresponse()
        text = answer.read().decode(errors="replace")
        if answer.will_close:
            self.close()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)


def eventually(check: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Raises Wrong with that sentence when it does not come true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise Wrong(f"{otherwise()} after {PATIENCE_SECONDS} s")
        time.sleep(POLL_SECONDS)
