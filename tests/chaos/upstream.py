"""The upstream stand-in of chaos: ordered about by prompts, and its log is the last word on what was generated.

`python -m tests.chaos.upstream PORT LOG`. Beside what the paced stand-in does it can hang for ever and lie about
its usage; the log has both what was generated and what was said."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.support.orders import MARK
from tests.support.upstream import StandInUpstream
from tests.support.upstream_answer import USAGE_AS_IT_IS, Answer, ClientLeft, Generation, Script
from tests.support.upstream_wire import CONTEXT_TOKENS, Body, count_prompt, refuse_context, say

FULL: Body = {"code": 500, "message": "no room in /srv", "type": "server_error"}
EYES_OPEN_SECONDS = 0.05
"""How often an answer that stands still looks whether anybody listens."""
HUGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Order:
    """What a prompt asks of the stand-in. `lies`: zero, huge, negative, text, or missing."""

    name: str
    tokens: int = 7
    pace_ms: int = 0
    refuses: bool = False
    dies_after: int | None = None
    ends_after: int | None = None
    fails_after: int | None = None
    hangs_after: int | None = None
    lies: str | None = None

    def as_prompt(self, words: int) -> str:
        """It costs 5 tokens and one for each word."""
        members = {name: getattr(self, name) for name in self.__slots__}
        said = {name: value for name, value in members.items() if value not in (None, False)}
        return " ".join([*(["word"] * words), "@" + json.dumps(said, separators=(",", ":"))])

    @property
    def breaks(self) -> bool:
        return {self.dies_after, self.ends_after, self.fails_after, self.hangs_after} != {None}

    def usage(self, prompt: int, completion: int) -> Any:
        said: dict[str, Any] = {
            "zero": {"prompt_tokens": prompt, "completion_tokens": 0, "total_tokens": prompt},
            "huge": {"prompt_tokens": prompt, "completion_tokens": HUGE, "total_tokens": prompt + HUGE},
            "negative": {"prompt_tokens": -prompt, "completion_tokens": -completion, "total_tokens": -1},
            "text": {"prompt_tokens": "many", "completion_tokens": "more", "total_tokens": None},
            "missing": None,
        }
        return said[self.lies] if self.lies else USAGE_AS_IT_IS


@dataclass(frozen=True, slots=True)
class Generated:
    """What was generated for one request. `said`: completion tokens by its usage, None where it said nothing
    that can be read; `is_whole`: it came to its end."""

    name: str
    is_stream: bool
    tokens_prompt: int
    tokens_completion: int
    said: int | None
    is_whole: bool
    breaks: bool

    @property
    def account_id(self) -> str:
        return self.name[:8]

    @property
    def tokens(self) -> int:
        return self.tokens_prompt + self.tokens_completion


class UpstreamLog:
    def __init__(self, path: Path) -> None:
        self.path = path

    def generations(self, of: frozenset[str]) -> list[Generated]:
        """Those that have ended, for these accounts."""
        return [Generated(**note) for note in self._notes("ended") if note["name"][:8] in of]

    def running(self) -> int:
        """Asked again and again until it is quiet: after hours of soak the log is long."""
        lines = self._lines()
        return sum(line.startswith("begun") - line.startswith("ended") for line in lines)

    def _notes(self, what: str) -> list[dict[str, Any]]:
        return [json.loads(line.partition(" ")[2]) for line in self._lines() if line.startswith(what)]

    def _lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


class OrderedAnswer(Answer):
    order: Order

    async def _pause(self) -> None:
        if self.order.pace_ms:
            await asyncio.sleep(self.order.pace_ms / 1000)
        while self._is_at(self.order.hangs_after) and not self._is_alone():  # noqa: ASYNC110
            await asyncio.sleep(EYES_OPEN_SECONDS)
        if self._is_alone():
            raise ClientLeft

    def _is_alone(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()


class OrderedUpstream(StandInUpstream):
    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log.open("a", buffering=1)

    async def _chat(
        self,
        body: Body,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        order = order_in(body)
        if order.refuses:
            return await say(writer, 500, {"error": FULL})
        generation = Generation(body, headers, count_prompt(body))
        if generation.tokens_prompt > CONTEXT_TOKENS:
            return await refuse_context(writer, generation.tokens_prompt)
        answer = OrderedAnswer(_script(order, generation), generation, self.resume, reader, writer)
        answer.order = order
        self._note("begun", order, generation, is_whole=False)
        is_whole = False
        try:
            is_whole = await (answer.stream() if body.get("stream") else answer.whole())
            return is_whole
        finally:
            self._note("ended", order, generation, is_whole=is_whole and not order.breaks)

    def _note(self, what: str, order: Order, generation: Generation, *, is_whole: bool) -> None:
        prompt, completion = generation.tokens_prompt, generation.tokens_completion
        says = {None: completion, "zero": 0, "huge": HUGE}
        note = {
            "name": order.name,
            "is_stream": bool(generation.body.get("stream")),
            "tokens_prompt": prompt,
            "tokens_completion": completion,
            "said": says.get(order.lies),
            "is_whole": is_whole,
            "breaks": order.breaks,
        }
        self._log.write(f"{what} {json.dumps(note)}\n")


def order_in(body: Body) -> Order:
    content: str = body["messages"][-1]["content"]
    return Order(**json.loads(content[content.rindex(MARK) + 1 :]))


def _script(order: Order, generation: Generation) -> Script:
    wanted = min(order.tokens, generation.body["max_tokens"])
    return Script(
        tokens=(" word",) * order.tokens,
        usage=order.usage(generation.tokens_prompt, wanted),
        dies_after=order.dies_after,
        ends_after=order.ends_after,
        fails_after=order.fails_after,
    )


async def _serve(port: int, log: Path) -> None:
    upstream = OrderedUpstream(log)
    async with await asyncio.start_server(upstream.serve, "127.0.0.1", port, backlog=1024) as server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
