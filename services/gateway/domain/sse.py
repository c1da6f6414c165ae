"""Cuts a byte stream into whole server-sent events, wherever the network split it.

https://html.spec.whatwg.org/multipage/server-sent-events.html — an event ends at an empty line; lines end
in LF or CRLF here. Bytes are never decoded, so a split inside a character does no harm.
"""

import re

from services.gateway.domain.errors import UpstreamFailed

EVENT_BYTES_MAX = 1 << 20
"""One event is one token's worth of JSON; an upstream that sends a megabyte without an end is broken."""
_END = re.compile(rb"\n\r?\n")


class EventSplitter:
    """Feed it bytes; it gives back the events that are complete, each with its empty line."""

    __slots__ = ("_rest", "_searched")

    def __init__(self) -> None:
        self._rest = b""
        self._searched = 0

    def is_one(self, data: bytes) -> bool:
        """Whether it is an event of one line and nothing else, as most pieces are. Need not be fed then."""
        return (
            not self._rest
            and data.endswith(b"\n\n")
            and data.find(b"\n") == len(data) - 2
            and data.find(b"\r") < 0
        )

    def feed(self, data: bytes) -> list[bytes]:
        """Raises UpstreamFailed when an event does not end within EVENT_BYTES_MAX."""
        buffer = self._rest + data if self._rest else data
        events, start = [], 0
        for end in _END.finditer(buffer, self._searched):
            events.append(buffer[start : end.end()])
            start = end.end()
        self._rest = buffer[start:] if start else buffer
        if len(self._rest) > EVENT_BYTES_MAX:
            raise UpstreamFailed("The model server sent an event that does not end.")
        self._searched = max(len(self._rest) - 2, 0)
        return events


def data_of(event: bytes) -> bytes:
    """The event's data: its `data:` lines without their names, joined. Empty for comments."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)
