"""The upstream's stream of chat chunks becomes the events of a response.

Order and fields as openai-python, openai-node and the Open Responses suite require them: created first, indexes
contiguous from 0, the same ids throughout, every item done before the response is.
"""

import json
from typing import Any

from services.gateway.domain.chat_stream import DONE, parse_chunk
from services.gateway.domain.counts import Counts, counts_of_timings, counts_of_usage
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import BROKEN_OFF, ErrorBody
from services.gateway.domain.json_body import COMPACT
from services.gateway.domain.response_items import KIND_OF_FIELD, MESSAGE, Item, ItemKind, Json
from services.gateway.domain.response_object import AnswerEnd, ResponseHead
from services.gateway.domain.sse import EventSplitter, data_of
from services.gateway.domain.whole_answer import model_in

TEXT_LENGTH_MAX = 8 << 20
"""Of one answer, kept until its end. A token is a few characters: who sends more does not heed the limit."""
CONTENT_INDEX = 0
"""Each item has one part."""


class ResponseStream:
    """An AnswerStream of one response."""

    def __init__(self, head: ResponseHead) -> None:
        self._head = head
        self._splitter = EventSplitter()
        self._usage: Counts | None = None
        self._timings: Any = None
        self._ending = AnswerEnd(None, 0)
        self._output: list[Json] = []
        self._item: Item | None = None
        self._texts: list[str] = []
        self._text_length = 0
        self._events: list[bytes] = []
        self._events_made = 0
        self.model = ""
        self.is_done = False
        self.failure: UpstreamFailed | None = None

    def pass_plain(self, _: bytes) -> bytes | None:
        """Each is made anew."""
        return None

    def feed(self, data: bytes) -> bytes:
        try:
            for event in self._splitter.feed(data):
                self._take(event)
                if self.is_done:
                    break
        except UpstreamFailed as failure:
            self.failure = failure
        return self._made()

    def counts(self) -> Counts | None:
        return self._usage or counts_of_timings(self._timings)

    def broken_by(self, error: ErrorBody) -> bytes:
        """OpenAI's flat error event, which openai-python passes over in silence, has an `error` as well, at which
        it raises; what goes by the response's status sees that it has failed."""
        self._begin()
        self._make("error", **error, error=error)
        if self._item is not None:
            self._output.append(self._item.ended("".join(self._texts), "incomplete"))
        response = self._head.failed(error, self.model, self._output, self.counts())
        self._make("response.failed", response=response)
        return self._made()

    def _take(self, event: bytes) -> None:
        data = data_of(event)
        if not data:
            self._events.append(event if event.startswith(b":") else b"")
        elif data == DONE:
            self._end()
        else:
            self._read(parse_chunk(data))

    def _read(self, chunk: Json) -> None:
        self.model = self.model or model_in(chunk)
        self._usage = counts_of_usage(chunk.get("usage")) or self._usage
        self._timings = chunk.get("timings") or self._timings
        self._begin()
        for choice in chunk.get("choices") or []:
            for field, kind in KIND_OF_FIELD.items():
                text = (choice.get("delta") or {}).get(field)
                if isinstance(text, str) and text:
                    self._say(kind, text)
            if choice.get("finish_reason"):
                self._ending = AnswerEnd(choice["finish_reason"], int(chunk.get("created") or 0))

    def _begin(self) -> None:
        if self._events_made == 0:
            for name in ("response.created", "response.in_progress"):
                self._make(name, response=self._head.in_progress(self.model))

    def _say(self, kind: ItemKind, text: str) -> None:
        self._text_length += len(text)
        if self._text_length > TEXT_LENGTH_MAX:
            raise UpstreamFailed(BROKEN_OFF)
        item = self._item
        if item is None or item.kind is not kind:
            item = self._open_item(kind)
        self._texts.append(text)
        self._make_of(item, f"{kind.event}.delta", delta=text, **kind.event_more)

    def _open_item(self, kind: ItemKind) -> Item:
        self._close_item("completed")
        item = self._item = self._head.item(kind, len(self._output))
        self._make("response.output_item.added", output_index=item.index, item=item.begun())
        self._make_of(item, "response.content_part.added", part=item.part(""))
        return item

    def _close_item(self, status: str) -> None:
        if self._item is None:
            return
        item, text = self._item, "".join(self._texts)
        self._make_of(item, f"{item.kind.event}.done", text=text, **item.kind.event_more)
        self._make_of(item, "response.content_part.done", part=item.part(text))
        self._output.append(item.ended(text, status))
        self._make("response.output_item.done", output_index=item.index, item=self._output[-1])
        self._item, self._texts = None, []

    def _end(self) -> None:
        """There is a message, unless the limit came before it."""
        self._begin()
        if self._item is None or (self._item.kind is not MESSAGE and self._ending.status == "completed"):
            self._open_item(MESSAGE)
        self._close_item(self._ending.status)
        response = self._head.ended(self._ending, self.model, self._output, self.counts())
        self._make(f"response.{self._ending.status}", response=response)
        self.is_done = True

    def _make_of(self, item: Item, name: str, **fields: Any) -> None:
        places = {"item_id": item.id, "output_index": item.index, "content_index": CONTENT_INDEX}
        self._make(name, **places, **fields)

    def _make(self, name: str, **fields: Any) -> None:
        """An event's own `type` goes before that of an error's fields."""
        event = {**fields, "type": name, "sequence_number": self._events_made}
        self._events_made += 1
        self._events.append(f"event: {name}\ndata: {json.dumps(event, separators=COMPACT)}\n\n".encode())

    def _made(self) -> bytes:
        events, self._events = b"".join(self._events), []
        return events
