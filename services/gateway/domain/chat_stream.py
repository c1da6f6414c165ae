"""Reads the upstream's stream of chat chunks: meters it, and cuts out what only the meter needed.

A stream of text completions has the same shape, but for its usage, which comes inside the last chunk whether
asked for or not (measured on llama-server of 2026-10): as OpenAI has it, it gets a chunk of its own, or none.

Within JSON a quote inside a string is always escaped, so the bytes `"usage"` or `,"timings":{` can only be a
key (or a whole string, which the slow path then finds harmless): what a model writes cannot forge them. The
fast path cuts bytes at the chunk's end; whatever it does not recognise is parsed and rebuilt.
"""

import json
from typing import Any

from services.gateway.domain.counts import Counts, counts_of_timings, counts_of_usage
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import BROKEN_OFF, ErrorBody
from services.gateway.domain.model_names import file_name
from services.gateway.domain.sse import EventSplitter, data_of

TIMINGS = b',"timings":{'
CHOICES_END = b"}],"
INJECTED = ("timings", "__verbose", "prompt_progress")
DONE = b"[DONE]"


class ChatStream:
    """One answer in progress. `feed` gives what the client gets; `counts` what it has come to so far."""

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._splitter = EventSplitter()
        self._usage: Counts | None = None
        self._timings = b""
        self._model_upstream = b""
        self._model_shown = b""
        self._same = self._same_shown = b""
        self.model = ""
        self.is_done = False
        self.failure: UpstreamFailed | None = None

    def pass_plain(self, data: bytes) -> bytes | None:
        return self._cut(data) if self._splitter.is_one(data) else None

    def feed(self, data: bytes) -> bytes:
        """After `is_done` or `failure` there is nothing more to come."""
        if (plain := self.pass_plain(data)) is not None:
            return plain
        passed = []
        try:
            for event in self._splitter.feed(data):
                passed.append(self._take(event))
                if self.is_done:
                    break
        except UpstreamFailed as failure:
            self.failure = failure
        return b"".join(passed)

    def counts(self) -> Counts | None:
        """The final usage, else the last timings, else None: nothing has been generated that we know of."""
        if self._usage is not None or not self._timings:
            return self._usage
        try:
            return counts_of_timings(json.loads(self._timings))
        except ValueError:  # cut out unread: an upstream that writes no JSON says nothing
            return None

    def broken_by(self, error: ErrorBody) -> bytes:
        """One frame, and no [DONE]."""
        return b"data: " + json.dumps({"error": error}).encode() + b"\n\n"

    def _take(self, event: bytes) -> bytes:
        return self._cut(event) or self._rebuild(event)

    def _cut(self, event: bytes) -> bytes | None:
        """The chunk without its last member, the timings; None unless it is of the plain, usual kind."""
        at = event.rfind(TIMINGS)
        if at < 0 or not event.endswith(b"}}\n\n") or event.rfind(b"{") != at + len(TIMINGS) - 1:
            return None
        begins = at - len(self._same)
        if not self._same or begins < 0 or not event.startswith(self._same, begins):
            begins = self._learn_same(event, at)
        said = event[:begins]
        if not self._same or b'"usage"' in said or b'"error"' in said:
            return None
        self._timings = event[at + len(TIMINGS) - 1 : -3]
        return said + self._same_shown

    def _learn_same(self, event: bytes, at: int) -> int:
        """Where what all chunks of an answer have in common begins, which ends `at` the timings: it is looked through once."""
        begins = event.rfind(CHOICES_END, 0, at) + len(CHOICES_END) - 1
        same = event[begins:at]
        is_whole = begins >= len(CHOICES_END) and self._model_upstream and self._model_upstream in same
        if not is_whole or b'"usage"' in same or b'"error"' in same:
            self._same = b""
            return 0
        self._same = same
        self._same_shown = same.replace(self._model_upstream, self._model_shown, 1) + b"}\n\n"
        return begins

    def _rebuild(self, event: bytes) -> bytes:
        data = data_of(event)
        if not data:
            return event if event.startswith(b":") else b""
        if data == DONE:
            self.is_done = True
            return event
        chunk = parse_chunk(data)
        self._meter(chunk)
        self._rename_model(chunk)
        usage = chunk.pop("usage", None)
        events = _event(chunk) if usage is None or chunk.get("choices") else b""
        if usage is not None and self._include_usage:
            events += _event(chunk | {"choices": [], "usage": usage})
        return events

    def _meter(self, chunk: dict[str, Any]) -> None:
        self._usage = counts_of_usage(chunk.get("usage")) or self._usage
        if counts_of_timings(chunk.get("timings")) is not None:
            self._timings = json.dumps(chunk["timings"]).encode()
        for name in INJECTED:
            chunk.pop(name, None)

    def _rename_model(self, chunk: dict[str, Any]) -> None:
        if not isinstance(chunk.get("model"), str):
            return
        self._same = b""
        self._model_upstream = _model_member(chunk["model"])
        chunk["model"] = self.model = file_name(chunk["model"])
        self._model_shown = _model_member(self.model)


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"


def parse_chunk(data: bytes) -> dict[str, Any]:
    """Raises UpstreamFailed when it is no chunk, or says an error."""
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UpstreamFailed(BROKEN_OFF) from error
    if not isinstance(chunk, dict) or "error" in chunk:
        raise UpstreamFailed(BROKEN_OFF)
    return chunk


def _model_member(name: str) -> bytes:
    return b'"model":' + json.dumps(name, ensure_ascii=False).encode(errors="backslashreplace")
