"""Requests that tests send, and how they read the answers."""

import json
from typing import Any

import httpx

from tests.support.eventually import eventually
from tests.support.upstream import StandInUpstream

CHAT = "/v1/chat/completions"
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}
"""Five tokens to the stand-in upstream."""
STREAMED: dict[str, Any] = QUESTION | {"stream": True}
TOKENS_PROMPT = 5


def chunks_in(text: str) -> list[dict[str, Any]]:
    """The JSON of a stream's events."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def error_of(reply: httpx.Response) -> dict[str, Any]:
    """Every error has the same shape and an id."""
    assert reply.headers["x-request-id"]
    error: dict[str, Any] = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


async def until_generating(upstream: StandInUpstream) -> None:
    async def is_generating() -> bool:
        return bool(upstream.generations)

    await eventually(is_generating)
