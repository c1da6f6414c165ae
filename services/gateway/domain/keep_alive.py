"""How long a connection to a model server may lie idle before it is used again: decided by what the server promised.

llama-server announces `Keep-Alive: timeout=5, max=100`, closes after the hundredth answer without another word, and
after each that it streamed, whatever it announced (measured: 18 of 30 requests behind a stream ran into it). Such a
request may have been read, so it cannot be sent again: a connection is used well within the promise, after an answer
that came in chunks not at all, and without a promise not a second time.
"""

import re
from dataclasses import dataclass

_TIMEOUT = re.compile(rb"\btimeout=(\d{1,6})\b", re.IGNORECASE)
_MAX = re.compile(rb"\bmax=(\d{1,9})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Promise:
    """Of a server: so long it waits for another request, and so many it takes on one connection."""

    idle_seconds: float
    requests_max: int

    @property
    def kept_seconds(self) -> float:
        """Half of it: the server's clock began to run before ours."""
        return self.idle_seconds / 2


PROMISED_NOTHING = Promise(0, 0)


def promise_in(keep_alive: bytes) -> Promise:
    """Of the header's value. Nothing is promised without both numbers."""
    timeout, requests = _TIMEOUT.search(keep_alive), _MAX.search(keep_alive)
    if timeout is None or requests is None:
        return PROMISED_NOTHING
    return Promise(float(timeout[1]), int(requests[1]))
