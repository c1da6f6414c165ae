"""A seeded mix of everything that clients and models do, sent to several gateways, a bounded number at once."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

import httpx

from tests.support.newcomers import Newcomer

CHAT = "/v1/chat/completions"
TIMEOUT_SECONDS = 60
ATTEMPTS_MAX = 4
RETRIED = (429, 502, 503, 504)
SLOW_MS = 80
"""The pace of streams that somebody walks away from: that of a model of middle size on a GPU of its own. Three
tokens under way are then the 250 ms in which a disconnect must reach the upstream."""
LEAVES_WITHIN_SECONDS = 0.2
TOO_LONG_WORDS = 2100


@dataclass(frozen=True, slots=True)
class Call:
    """`leaves_after_events` and `leaves_after_seconds`: when its client walks away, if it does."""

    kind: str
    gateway: str
    headers: Mapping[str, str]
    body: Any
    leaves_after_events: int | None = None
    leaves_after_seconds: float | None = None


class Mix:
    """One generator decides everything: the same seed is the same load."""

    def __init__(self, seed: int, newcomers: Sequence[Newcomer], gateways: Sequence[str]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._newcomers = newcomers
        self._gateways = gateways

    def calls(self, many: int) -> Iterator[Call]:
        makers = (
            *(self._stream, self._whole) * 4,
            *(self._stream_left, self._whole_left) * 2,
            *(self._left_early, self._refused_at_first, self._broken, self._broken_whole, self._bad),
        )
        for _ in range(many):
            newcomer = self._random.choice(self._newcomers)
            yield self._random.choice(makers)(newcomer)

    def _stream(self, newcomer: Newcomer) -> Call:
        return self._call("stream", newcomer, newcomer.next_body(40, stream=True, tokens=self._tokens()))

    def _whole(self, newcomer: Newcomer) -> Call:
        return self._call("whole", newcomer, newcomer.next_body(40, stream=False, tokens=self._tokens()))

    def _stream_left(self, newcomer: Newcomer) -> Call:
        body = newcomer.next_body(40, stream=True, tokens=30, pace_ms=SLOW_MS)
        return self._call("stream left", newcomer, body, leaves_after_events=self._random.randint(1, 8))

    def _whole_left(self, newcomer: Newcomer) -> Call:
        body = newcomer.next_body(40, stream=False, tokens=6, pace_ms=25)
        return self._call(
            "whole left", newcomer, body, leaves_after_seconds=self._random.uniform(0, LEAVES_WITHIN_SECONDS)
        )

    def _left_early(self, newcomer: Newcomer) -> Call:
        body = newcomer.next_body(40, stream=True, tokens=30, pace_ms=SLOW_MS)
        return self._call(
            "stream left early",
            newcomer,
            body,
            leaves_after_seconds=self._random.uniform(0, LEAVES_WITHIN_SECONDS),
        )

    def _refused_at_first(self, newcomer: Newcomer) -> Call:
        refusals = self._random.randint(1, ATTEMPTS_MAX)
        body = newcomer.next_body(40, stream=self._coin(), tokens=self._tokens(), refusals=refusals)
        return self._call("upstream refuses at first", newcomer, body)

    def _broken(self, newcomer: Newcomer) -> Call:
        how = self._random.choice(("dies_after", "ends_after", "fails_after"))
        body = newcomer.next_body(40, stream=True, tokens=30, pace_ms=2, **{how: self._random.randint(0, 20)})
        return self._call("upstream breaks a stream", newcomer, body)

    def _broken_whole(self, newcomer: Newcomer) -> Call:
        body = newcomer.next_body(40, stream=False, tokens=30, dies_after=self._random.randint(0, 20))
        return self._call("upstream breaks a whole", newcomer, body)

    def _bad(self, newcomer: Newcomer) -> Call:
        wrong = self._random.choice((_two_answers, _no_messages, _too_long, _wrong_key))
        good = newcomer.next_body(40, stream=self._coin())
        return wrong(self._call("refused", newcomer, good))

    def _call(self, kind: str, newcomer: Newcomer, body: Any, **leaves: Any) -> Call:
        return Call(kind, self._random.choice(self._gateways), newcomer.headers, body, **leaves)

    def _tokens(self) -> int:
        return self._random.randint(1, 60)

    def _coin(self) -> bool:
        return self._random.random() < 0.5


class Senders:
    """Clients of all gateways. `answers` counts what came of each kind of call."""

    def __init__(self, urls: Mapping[str, str], at_once: int) -> None:
        self._urls = urls
        self._at_once = asyncio.Semaphore(at_once)
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._stack = AsyncExitStack()
        self.answers: Counter[str] = Counter()

    async def __aenter__(self) -> "Senders":
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=2)
        for name, url in self._urls.items():
            client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, limits=limits)
            self._clients[name] = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def send_all(self, calls: Iterator[Call]) -> None:
        await asyncio.gather(*(self.send(call) for call in calls))

    async def send(self, call: Call) -> None:
        """As an SDK does: again, with the same body, when the answer is one that may change."""
        async with self._at_once:
            for _ in range(ATTEMPTS_MAX):
                answer = await self._attempt(call)
                self.answers[f"{call.kind}: {answer}"] += 1
                if answer not in RETRIED:
                    return

    async def _attempt(self, call: Call) -> int | str:
        if call.leaves_after_seconds is None:
            return await self._read(call)
        await self._leave(call, call.leaves_after_seconds)
        return "left"

    async def _leave(self, call: Call, after_seconds: float) -> None:
        """By hand: a request of httpx that is cancelled while it connects leaves its socket open."""
        url = httpx.URL(self._urls[call.gateway])
        _, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(_request(call))
        await asyncio.sleep(after_seconds)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _read(self, call: Call) -> int | str:
        client, events = self._clients[call.gateway], 0
        async with client.stream("POST", CHAT, json=call.body, headers=call.headers) as reply:
            async for line in reply.aiter_lines():
                events += line.startswith("data: ")
                if events == call.leaves_after_events:
                    return "left"
        return reply.status_code


def _request(call: Call) -> bytes:
    body = json.dumps(call.body).encode()
    headers = {**call.headers, "host": call.gateway, "content-length": str(len(body))}
    lines = [f"POST {CHAT} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _two_answers(call: Call) -> Call:
    return Call("two answers wanted", call.gateway, call.headers, call.body | {"n": 2})


def _no_messages(call: Call) -> Call:
    return Call("no messages", call.gateway, call.headers, {"max_tokens": 3})


def _too_long(call: Call) -> Call:
    [message] = call.body["messages"]
    longer = message | {"content": "word " * TOO_LONG_WORDS + message["content"]}
    return Call("too long", call.gateway, call.headers, call.body | {"messages": [longer]})


def _wrong_key(call: Call) -> Call:
    return Call("wrong key", call.gateway, {"authorization": "Bearer sk-wrong"}, call.body)
