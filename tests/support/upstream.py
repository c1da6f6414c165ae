"""A stand-in for llama-server: its wire format, byte for byte, with scripted behaviour and a log.

It speaks HTTP on a real socket by hand, so that a test decides where bytes are split, when a connection dies
and what is said. `generations` is the oracle: what was generated for whom, whatever anybody charged.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.upstream_answer import PARIS, Answer, ClientLeft, Generation, Script
from tests.support.upstream_other_answers import CompletionAnswer, refuse_embeddings, say_embeddings
from tests.support.upstream_wire import (
    API_KEY,
    CONTEXT_TOKENS,
    MODELS,
    Body,
    count_prompt,
    headers_in,
    refuse,
    refuse_context,
    say,
    tokenize,
)

__all__ = ["PARIS", "Generation", "Script", "StandInUpstream", "running_upstream"]


class StandInUpstream:
    """`scripts` are used up in order, then `script` goes on. `resume` lets paused answers continue."""

    def __init__(self) -> None:
        self.port = 0
        self.resume = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """As new, at the same address; what was still paused goes on."""
        self.resume.set()
        self.resume = asyncio.Event()
        self.script = Script()
        self.scripts: deque[Script] = deque()
        self.generations: list[Generation] = []
        self.counted = 0
        self.closes_kept_connections = False
        self.has_embeddings = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                if self.closes_kept_connections:
                    await reader.readuntil(b"\r\n\r\n")
                    return
        except (ConnectionError, asyncio.IncompleteReadError, ClientLeft):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        (method, path, _), headers = head.split("\r\n", 1)[0].split(" "), headers_in(head)
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if path != "/health" and headers.get("authorization") != f"Bearer {API_KEY}":
            return await refuse(writer, 401, "Invalid API Key", "authentication_error")
        match method, path:
            case "GET", "/v1/models":
                return await say(writer, 200, MODELS)
            case "POST", "/tokenize":
                self.counted += 1
                return await say(writer, 200, {"tokens": tokenize(json.loads(raw))})
            case "POST", "/v1/chat/completions/input_tokens":
                self.counted += 1
                tokens = count_prompt(json.loads(raw))
                return await say(writer, 200, {"input_tokens": tokens, "object": "response.input_tokens"})
            case "POST", "/v1/chat/completions":
                return await self._chat(json.loads(raw), headers, reader, writer)
            case "POST", "/v1/completions":
                return await self._generate(CompletionAnswer, json.loads(raw), headers, reader, writer)
            case "POST", "/v1/embeddings":
                return await self._embed(json.loads(raw), headers, writer)
        return await refuse(writer, 404, "File Not Found", "not_found_error")

    async def _chat(
        self,
        body: Body,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        return await self._generate(Answer, body, headers, reader, writer)

    async def _embed(self, body: Body, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        if not self.has_embeddings:
            return await refuse_embeddings(writer)
        if self.script.error is not None:
            status, error = self.script.error
            return await say(writer, status, {"error": error})
        generation = Generation(body, headers, count_prompt(body))
        self.generations.append(generation)
        generation.ended.set()
        return await say_embeddings(writer, body["input"], generation.tokens_prompt)

    async def _generate(
        self,
        kind: type[Answer],
        body: Body,
        headers: dict[str, str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        script = self.scripts.popleft() if self.scripts else self.script
        if script.error is not None:
            status, error = script.error
            return await say(writer, status, {"error": error})
        tokens_prompt = count_prompt(body)
        if tokens_prompt > CONTEXT_TOKENS:
            return await refuse_context(writer, tokens_prompt)
        generation = Generation(body, headers, tokens_prompt)
        self.generations.append(generation)
        answer = kind(script, generation, self.resume, reader, writer)
        try:
            return await (answer.stream() if body.get("stream") else answer.whole())
        except (ConnectionError, ClientLeft):
            generation.was_abandoned = True
            raise
        finally:
            generation.ended.set()


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
