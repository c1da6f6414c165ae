"""uvicorn's way of answering one request, but an answer whose length is told is written with its head, as one, and its
head is looked through at once instead of header by header. Whatever is unusual is left to uvicorn."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)

WITHOUT_BODY = (204, 304)
UNUSUAL = (b"connection", b"transfer-encoding")

Headers = list[tuple[bytes, bytes]]


class AnswersInOne(RequestResponseCycle):
    _head: bytes | None = None
    """Waits for its body."""

    async def send(self, message: Any) -> None:
        if self.flow.write_paused or self.disconnected:
            self._send_head()
            await super().send(message)
        elif self.response_started:
            await self._send_body(message)
        elif (head := self._head_of(message)) is None:
            await super().send(message)
        else:
            self._head, self.response_started, self.waiting_for_100_continue = head, True, False

    async def _send_body(self, message: Any) -> None:
        body = message.get("body", b"")
        if self._head is None or message.get("more_body") or len(body) != self.expected_content_length:
            self._send_head()
            await super().send(message)
            return
        self.transport.write(self._head + body)
        self._head, self.expected_content_length, self.response_complete = None, 0, True
        self.message_event.set()
        self.on_response()

    def _send_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self.transport.write(head)

    def _head_of(self, message: Any) -> bytes | None:
        """None where uvicorn has more to decide than to write it, or to refuse it."""
        if message["type"] != "http.response.start" or not self.keep_alive or self.access_log:
            return None
        if message["status"] in WITHOUT_BODY or self.scope["method"] == "HEAD":
            return None
        headers: Headers = [*self.default_headers, *message.get("headers", ())]
        if (length := _length_in(headers)) is None:
            return None
        self.expected_content_length, self.chunked_encoding = length, False
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return STATUS_LINE[message["status"]] + lines + b"\r\n"


def _length_in(headers: Headers) -> int | None:
    """Of the usual ones."""
    by_name = dict(headers)
    length, names = by_name.get(b"content-length"), b"".join(by_name)
    if length is None or not names.islower() or any(name in by_name for name in UNUSUAL):
        return None
    if HEADER_RE.search(names) or HEADER_VALUE_RE.search(b"".join([value for _, value in headers])):
        return None
    return int(length)
