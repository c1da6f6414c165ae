"""The requests, rendered beforehand: the same bytes for wrk and for the drivers here, and for every contender
but for what each wants in its headers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.gateway.answers import prompt_for
from bench.gateway.customers import address_of
from shared.ids import new_request_id

MODEL = "gpt-4o-mini"
SEPARATOR = b"\0"
QUESTION = "What is the capital of France? Answer in one sentence, please."


def whole_body(model: str = MODEL) -> dict[str, Any]:
    system = {"role": "system", "content": "You are a helpful assistant."}
    question = {"role": "user", "content": QUESTION}
    return {"model": model, "messages": [system, question], "max_tokens": 64, "temperature": 0.7}


def stream_body(chunks: int, per_second: int, model: str = MODEL) -> dict[str, Any]:
    ordered = {"role": "user", "content": prompt_for(chunks, per_second)}
    return {"model": model, "messages": [ordered], "max_tokens": chunks, "stream": True}


def render(port: int, headers: Mapping[str, str], body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    own = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in {**own, **headers}.items())
    return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + content


def customers_headers(keys: Sequence[str]) -> list[dict[str, str]]:
    """One for each customer, as an edge passes them on."""
    return [
        {"Authorization": f"Bearer {key}", "X-Forwarded-For": address_of(number)}
        for number, key in enumerate(keys)
    ]


def write_requests(folder: Path, requests: Sequence[bytes]) -> Path:
    """A file for wrk (load.lua)."""
    path = folder / f"requests-{new_request_id()}"
    path.write_bytes(SEPARATOR.join(requests))
    return path
