"""A stand-in for llama-server: its wire format, byte for byte, with scripted behaviour and a log.

It speaks HTTP on a real socket by hand, so that a test decides where bytes are split, when a connection dies
and what is said. `generations` is the oracle: what was generated for whom, whatever anybody charged.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

API_KEY = "upstream-secret"
MODEL_PATH = "/models/stand-in-1b.gguf"
MODEL_NAME = "stand-in-1b.gguf"
CREATED = 1_795_423_896
CONTEXT_TOKENS = 2048
PARIS = (" The", " capital", " of", " France", " is", " Paris", ".")
USAGE_AS_IT_IS = object()
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """How one answer goes. Numbers of tokens: `after` so many it does that."""

    tokens: Sequence[str] = PARIS
    tokens_cached: int = 0
    error: tuple[int, Body] | None = None
    delta: str = "content"
    usage: object = USAGE_AS_IT_IS
    has_timings: bool = True
    pauses_after: int | None = None
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


class StandInUpstream:
    """`scripts` are used up in order, then `script` goes on. `resume` lets paused answers continue."""

    def __init__(self) -> None:
        self.script = Script()
        self.scripts: deque[Script] = deque()
        self.resume = asyncio.Event()
        self.generations: list[Generation] = []
        self.counted = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ClientLeft):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        (method, path, _), headers = head.split("\r\n", 1)[0].split(" "), _headers_in(head)
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if path != "/health" and headers.get("authorization") != f"Bearer {API_KEY}":
            return await _refuse(writer, 401, "Invalid API Key", "authentication_error")
        match method, path:
            case "GET", "/v1/models":
                return await _say(writer, 200, MODELS)
            case "POST", "/v1/chat/completions/input_tokens":
                self.counted += 1
                tokens = count_prompt(json.loads(raw))
                return await _say(writer, 200, {"input_tokens": tokens, "object": "response.input_tokens"})
            case "POST", "/v1/chat/completions":
                return await self._chat(json.loads(raw), headers, reader, writer)
        return await _refuse(writer, 404, "File Not Found", "not_found_error")

    async def _chat(
        self,
        body: Body,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        script = self.scripts.popleft() if self.scripts else self.script
        if script.error is not None:
            status, error = script.error
            return await _say(writer, status, {"error": error})
        tokens_prompt = count_prompt(body)
        if tokens_prompt > CONTEXT_TOKENS:
            return await _refuse_context(writer, tokens_prompt)
        generation = Generation(body, headers, tokens_prompt)
        self.generations.append(generation)
        answer = _Answer(self, script, generation, reader, writer)
        try:
            return await (answer.stream() if body.get("stream") else answer.whole())
        except (ConnectionError, ClientLeft):
            generation.was_abandoned = True
            raise
        finally:
            generation.ended.set()


class _Answer:
    def __init__(
        self,
        upstream: StandInUpstream,
        script: Script,
        generation: Generation,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._upstream = upstream
        self._script = script
        self._generation = generation
        self._reader = reader
        self._writer = writer

    async def whole(self) -> bool:
        tokens = [token async for token in self._tokens()]
        choice = {"finish_reason": self._finish(), "index": 0, "message": self._message("".join(tokens))}
        answer = _headline([choice], "chat.completion") | self._usage() | self._timings()
        return await _say(self._writer, 200, answer)

    async def stream(self) -> bool:
        self._writer.write(_head(200, "text/event-stream", "Transfer-Encoding: chunked"))
        await self._write(self._script.says_first)
        first = True
        async for token in self._tokens():
            if first:
                await self._event(self._chunk({"role": "assistant", "content": None}))
                first = False
            await self._event(self._chunk({self._script.delta: token}) | self._timings(per_token=True))
        if self._is_at(self._script.ends_after):
            return await self._finish_body()
        if self._is_at(self._script.fails_after):
            await self._event({"error": {"code": 500, "message": "gave up in /srv", "type": "server_error"}})
            return await self._finish_body()
        await self._event(self._chunk({}, finish_reason=self._finish()))
        if self._generation.body.get("stream_options", {}).get("include_usage") and self._usage():
            await self._event(_headline([], "chat.completion.chunk") | self._usage() | self._timings())
        await self._write(b"data: [DONE]\n\n")
        return await self._finish_body()

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
        if not self._is_at(self._script.pauses_after):
            return
        leaving = asyncio.ensure_future(self._reader.read(1))
        resuming = asyncio.ensure_future(self._upstream.resume.wait())
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

    def _message(self, text: str) -> Body:
        return {"role": "assistant", self._script.delta: text}

    def _chunk(self, delta: Body, finish_reason: str | None = None) -> Body:
        choice = {"finish_reason": finish_reason, "index": 0, "delta": delta}
        return _headline([choice], "chat.completion.chunk")

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
        await self._write(b"data: " + _json(content) + b"\n\n")

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


def count_prompt(body: Body) -> int:
    """Four for each message and one for each word."""
    return sum(4 + len(json.dumps(message["content"]).split()) for message in body["messages"])


MODELS: Body = {
    "models": [{"name": MODEL_PATH, "model": MODEL_PATH, "type": "model"}],
    "object": "list",
    "data": [
        {
            "id": MODEL_PATH,
            "aliases": [MODEL_PATH],
            "object": "model",
            "created": CREATED,
            "owned_by": "llamacpp",
        }
    ],
}


def _headline(choices: list[Body], kind: str) -> Body:
    return {
        "choices": choices,
        "created": CREATED,
        "id": "chatcmpl-nM7R7GAtVpvpPCq2GSge13GQrhz6Fjzw",
        "model": MODEL_PATH,
        "system_fingerprint": "b0-unknown",
        "object": kind,
    }


def _headers_in(head: str) -> dict[str, str]:
    lines = [line.split(":", 1) for line in head.split("\r\n")[1:] if line]
    return {name.lower(): value.strip() for name, value in lines}


def _head(status: int, content_type: str, last: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status} X",
        "Server: llama.cpp",
        "Access-Control-Allow-Origin: ",
        f"Content-Type: {content_type}",
        last,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def _json(content: Body) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


async def _say(writer: asyncio.StreamWriter, status: int, content: Body) -> bool:
    body = _json(content)
    writer.write(_head(status, "application/json; charset=utf-8", f"Content-Length: {len(body)}") + body)
    await writer.drain()
    return status == 200


async def _refuse(writer: asyncio.StreamWriter, status: int, message: str, kind: str) -> bool:
    return await _say(writer, status, {"error": {"code": status, "message": message, "type": kind}})


async def _refuse_context(writer: asyncio.StreamWriter, tokens: int) -> bool:
    message = f"request ({tokens} tokens) exceeds the available context size ({CONTEXT_TOKENS} tokens), try increasing it"
    error = {"code": 400, "message": message, "type": "exceed_context_size_error"}
    return await _say(writer, 400, {"error": error | {"n_prompt_tokens": tokens, "n_ctx": CONTEXT_TOKENS}})


@asynccontextmanager
async def running_upstream(port: int = 0) -> AsyncIterator[StandInUpstream]:
    upstream = StandInUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        upstream.resume.set()
