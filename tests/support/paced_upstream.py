"""The stand-in upstream as a process of its own, ordered about by prompts, with its log in a file.

`python -m tests.support.paced_upstream PORT LOG`: each answer is noted when it begins and when it ends."""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.support.orders import Order, order_in
from tests.support.upstream import StandInUpstream
from tests.support.upstream_answer import Answer, ClientLeft, Generation, Script
from tests.support.upstream_wire import CONTEXT_TOKENS, Body, count_prompt, refuse_context, say

FULL: Body = {"code": 500, "message": "no room in /srv", "type": "server_error"}


@dataclass(frozen=True, slots=True)
class Generated:
    """What was generated for one request: the last word on it, whatever anybody charged.

    `breaks`: it was ordered to."""

    name: str
    is_stream: bool
    tokens_prompt: int
    tokens_completion: int
    breaks: bool

    @property
    def tokens(self) -> int:
        return self.tokens_prompt + self.tokens_completion


class UpstreamLog:
    """What the process has noted so far."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def generations(self, of: str = "") -> list[Generated]:
        """Those that have ended and whose name begins so."""
        return [Generated(**note) for note in self._notes("ended") if note["name"].startswith(of)]

    def running(self) -> int:
        return len(self._notes("begun")) - len(self._notes("ended"))

    def _notes(self, what: str) -> list[dict[str, Any]]:
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [json.loads(line.partition(" ")[2]) for line in lines if line.startswith(what)]


class PacedAnswer(Answer):
    """Waits before each token, and stops as soon as its connection does."""

    pace_seconds = 0.0

    async def _pause(self) -> None:
        if self.pace_seconds:
            await asyncio.sleep(self.pace_seconds)
        if self._reader.at_eof() or self._writer.is_closing():
            raise ClientLeft


class PacedUpstream(StandInUpstream):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log.open("a", buffering=1)
        self._refused: Counter[str] = Counter()

    async def _chat(
        self,
        body: Body,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        order = order_in(body)
        if self._refused[order.name] < order.refusals:
            self._refused[order.name] += 1
            return await say(writer, 500, {"error": FULL})
        generation = Generation(body, headers, count_prompt(body))
        if generation.tokens_prompt > CONTEXT_TOKENS:
            return await refuse_context(writer, generation.tokens_prompt)
        answer = PacedAnswer(_script(order), generation, self.resume, reader, writer)
        answer.pace_seconds = order.pace_ms / 1000
        self._note("begun", order, generation)
        try:
            return await (answer.stream() if body.get("stream") else answer.whole())
        finally:
            self._note("ended", order, generation)

    def _note(self, what: str, order: Order, generation: Generation) -> None:
        note = {
            "name": order.name,
            "is_stream": bool(generation.body.get("stream")),
            "tokens_prompt": generation.tokens_prompt,
            "tokens_completion": generation.tokens_completion,
            "breaks": {order.dies_after, order.ends_after, order.fails_after} != {None},
        }
        self._log.write(f"{what} {json.dumps(note)}\n")


def _script(order: Order) -> Script:
    return Script(
        tokens=(" word",) * order.tokens,
        dies_after=order.dies_after,
        ends_after=order.ends_after,
        fails_after=order.fails_after,
    )


async def _serve(port: int, log: Path) -> None:
    upstream = PacedUpstream(log)
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1024) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
