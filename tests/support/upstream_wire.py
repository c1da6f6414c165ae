"""llama-server's wire format as recorded from a real one: heads, bodies, refusals, the list of models."""

import asyncio
import json
from typing import Any

API_KEY = "upstream-secret"
MODEL_PATH = "/models/stand-in-1b.gguf"
MODEL_NAME = "stand-in-1b.gguf"
CREATED = 1_795_423_896
CONTEXT_TOKENS = 2048

Body = dict[str, Any]


def count_prompt(body: Body) -> int:
    """Four for each message, one for each text without a template, and one for each word."""
    if "messages" in body:
        return sum(4 + _words(message["content"]) for message in body["messages"])
    texts = [body["prompt"]] if "prompt" in body else body["input"]
    return sum(1 + _words(text) for text in texts)


def tokenize(body: Body) -> list[int]:
    """Sets its one special token around the first text alone; numbers are tokens already."""
    words = [_words(piece) if isinstance(piece, str) else 1 for piece in body["content"]]
    return [2] * (1 + sum(words))


def _words(content: Any) -> int:
    return len(json.dumps(content).split())


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
            "meta": {"n_ctx": CONTEXT_TOKENS, "n_ctx_train": 32768, "size": 246587904},
        }
    ],
}


def headline(choices: list[Body], kind: str) -> Body:
    return {
        "choices": choices,
        "created": CREATED,
        "id": "chatcmpl-nM7R7GAtVpvpPCq2GSge13GQrhz6Fjzw",
        "model": MODEL_PATH,
        "system_fingerprint": "b0-unknown",
        "object": kind,
    }


def headers_in(head: str) -> dict[str, str]:
    lines = [line.split(":", 1) for line in head.split("\r\n")[1:] if line]
    return {name.lower(): value.strip() for name, value in lines}


def head_of(status: int, content_type: str, last: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status} X",
        "Server: llama.cpp",
        "Access-Control-Allow-Origin: ",
        f"Content-Type: {content_type}",
        last,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def encode(content: Body) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


async def say(writer: asyncio.StreamWriter, status: int, content: Body) -> bool:
    body = encode(content)
    writer.write(head_of(status, "application/json; charset=utf-8", f"Content-Length: {len(body)}") + body)
    await writer.drain()
    return status == 200


async def refuse(writer: asyncio.StreamWriter, status: int, message: str, kind: str) -> bool:
    return await say(writer, status, {"error": {"code": status, "message": message, "type": kind}})


async def refuse_context(writer: asyncio.StreamWriter, tokens: int) -> bool:
    message = f"request ({tokens} tokens) exceeds the available context size ({CONTEXT_TOKENS} tokens), try increasing it"
    error = {"code": 400, "message": message, "type": "exceed_context_size_error"}
    return await say(writer, 400, {"error": error | {"n_prompt_tokens": tokens, "n_ctx": CONTEXT_TOKENS}})
