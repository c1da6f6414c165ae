"""What the stand-in upstream generates: scripted tokens, as a stream or whole, in llama-server's format."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from tests.support.upstream_wire import Body, encode, head_of, headline, say

PARIS = (" The", " capital", " of", " France", " is", " Paris", ".")
USAGE_AS_IT_IS = object()


@dataclass(frozen=True, slots=True)
class Script:
    """How one answer goes. Numbers of tokens: `after` so many it does that."""

    tokens: Sequence[str] = PARIS
    tokens_cached: int = 0
    error: tuple[int, Body] | None = None
    delta: str = "content"
    reasons_for: int = 0
    usage: object = USAGE_AS_IT_IS
    has_timings: bool = True
    pauses_after: int | None = None
    pauses_after_done: bool = False
    dies_after: int | None = None
    ends_after: int | None = None
    fails_after: int | None = None
    says_first: bytes = b""
    piece_bytes: int | None = None


@dataclass(slots=True)
class Generation:
    """One chat request that was answered, as far as it came."""

    body: Body
    headers: dict[str, str]
    tokens_prompt: int
    tokens_completion: int = 0
    was_abandoned: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class ClientLeft(Exception):
    pass


class Answer:
    """One answer on its way out. Raises ClientLeft or ConnectionError when nobody listens."""

    kind = "chat.completion"

    def __init__(
        self,
        script: Script,
        generation: Generation,
        resume: asyncio.Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._script = script
        self._generation = generation
        self._resume = resume
        self._reader = reader
        self._writer = writer

    async def whole(self) -> bool:
        tokens = [token async for token in self._tokens()]
        answer = headline([self._whole(tokens)], self.kind) | self._usage() | self._timings()
        return await say(self._writer, 200, answer)

    async def stream(self) -> bool:
        self._writer.write(head_of(200, "text/event-stream", "Transfer-Encoding: chunked"))
        await self._write(self._script.says_first)
        async for token in self._tokens():
            if self._generation.tokens_completion == 1:
                await self._greet()
            await self._event(self._piece(token) | self._timings(per_token=True))
        if self._is_at(self._script.ends_after):
            return await self._finish_body()
        if self._is_at(self._script.fails_after):
            await self._event({"error": {"code": 500, "message": "gave up in /srv", "type": "server_error"}})
            return await self._finish_body()
        await self._say_end()
        await self._write(b"data: [DONE]\n\n")
        if self._script.pauses_after_done:
            await self._wait_for_resume()
        return await self._finish_body()

    async def _greet(self) -> None:
        await self._event(self._chunk({"role": "assistant", "content": None}))

    def _piece(self, token: str) -> Body:
        return self._chunk({self._field(self._generation.tokens_completion): token})

    async def _say_end(self) -> None:
        await self._event(self._chunk({}, finish_reason=self._finish()))
        if self._generation.body.get("stream_options", {}).get("include_usage") and self._usage():
            await self._event(headline([], f"{self.kind}.chunk") | self._usage() | self._timings())

    async def _tokens(self) -> AsyncIterator[str]:
        """Ends early where the script says so; dies by breaking the connection."""
        for token in self._script.tokens[: self._generation.body["max_tokens"]]:
            await self._pause()
            if self._is_at(self._script.dies_after):
                self._writer.transport.abort()
                raise ConnectionAbortedError
            if self._is_at(self._script.ends_after) or self._is_at(self._script.fails_after):
                return
            self._generation.tokens_completion += 1
            yield token

    async def _pause(self) -> None:
        if self._is_at(self._script.pauses_after):
            await self._wait_for_resume()

    async def _wait_for_resume(self) -> None:
        leaving = asyncio.ensure_future(self._reader.read(1))
        resuming = asyncio.ensure_future(self._resume.wait())
        done, _ = await asyncio.wait({leaving, resuming}, return_when=asyncio.FIRST_COMPLETED)
        resuming.cancel()
        if leaving in done:
            raise ClientLeft
        leaving.cancel()
        await asyncio.wait({leaving})

    def _is_at(self, tokens: int | None) -> bool:
        return tokens is not None and self._generation.tokens_completion >= tokens

    def _finish(self) -> str:
        return "length" if self._generation.tokens_completion < len(self._script.tokens) else "stop"

    def _field(self, place: int) -> str:
        """Of the token at that place, from 1."""
        return "reasoning_content" if place <= self._script.reasons_for else self._script.delta

    def _whole(self, tokens: list[str]) -> Body:
        said: Body = {"role": "assistant"}
        for place, token in enumerate(tokens, start=1):
            said[self._field(place)] = said.get(self._field(place), "") + token
        return {"finish_reason": self._finish(), "index": 0, "message": said}

    def _chunk(self, delta: Body, finish_reason: str | None = None) -> Body:
        choice = {"finish_reason": finish_reason, "index": 0, "delta": delta}
        return headline([choice], f"{self.kind}.chunk")

    def _usage(self) -> Body:
        if self._script.usage is not USAGE_AS_IT_IS:
            return {} if self._script.usage is None else {"usage": self._script.usage}
        prompt, completion = self._generation.tokens_prompt, self._generation.tokens_completion
        details = {"cached_tokens": self._script.tokens_cached}
        return {
            "usage": {
                "completion_tokens": completion,
                "prompt_tokens": prompt,
                "total_tokens": prompt + completion,
                "prompt_tokens_details": details,
            }
        }

    def _timings(self, *, per_token: bool = False) -> Body:
        wanted = not per_token or self._generation.body.get("timings_per_token")
        if not self._script.has_timings or not wanted:
            return {}
        cached = self._script.tokens_cached
        return {
            "timings": {
                "cache_n": cached,
                "prompt_n": self._generation.tokens_prompt - cached,
                "prompt_ms": 31.268,
                "prompt_per_token_ms": 6.2536000000000005,
                "predicted_n": self._generation.tokens_completion,
                "predicted_ms": 0.001,
                "predicted_per_second": 1e6,
            }
        }

    async def _event(self, content: Body) -> None:
        await self._write(b"data: " + encode(content) + b"\n\n")

    async def _write(self, data: bytes) -> None:
        size = self._script.piece_bytes or len(data)
        for at in range(0, len(data), size or 1):
            piece = data[at : at + size]
            self._writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await self._writer.drain()
            await asyncio.sleep(0)

    async def _finish_body(self) -> bool:
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True
