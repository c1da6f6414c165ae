"""What the stand-in upstream says: llama-server's bytes, as recorded from a real one, rendered beforehand.

How long a stream is and how fast it comes stands in its prompt, for that passes through every proxy unchanged.
"""

import json
import re
from typing import Any

MODEL = "/models/stand-in-1b.gguf"
CREATED = 1_795_423_896
PROMPT_TOKENS = 22
WHOLE_TOKENS = 33
WHOLE_TEXT = (
    "The capital of France is Paris. It lies on the Seine, in the north of the country, and has about two "
    "million inhabitants. Would you like to know more about it?"
)
ORDERED = re.compile(rb"chunks=(\d+) per_second=(\d+)")


def prompt_for(chunks: int, per_second: int) -> str:
    """0 per second: all at once."""
    return f"Write a story. chunks={chunks} per_second={per_second}"


def ordered_in(body: bytes) -> tuple[int, int]:
    """The chunks and chunks per second that a prompt orders."""
    found = ORDERED.search(body)
    return (int(found[1]), int(found[2])) if found else (7, 0)


def encode(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _headline(kind: str, choices: list[Any]) -> dict[str, Any]:
    return {
        "choices": choices,
        "created": CREATED,
        "model": MODEL,
        "system_fingerprint": "b6969-9b2be2e4",
        "object": kind,
        "id": "chatcmpl-nM7R7GAtVpvpPCq2GSge13GQrhz6Fjzw",
    }


def usage_of(completion: int) -> dict[str, Any]:
    total = PROMPT_TOKENS + completion
    details = {"prompt_tokens_details": {"cached_tokens": 0}}
    return {
        "usage": {"completion_tokens": completion, "prompt_tokens": PROMPT_TOKENS, "total_tokens": total}
        | details
    }


def timings_of(completion: int) -> dict[str, Any]:
    return {
        "timings": {
            "cache_n": 0,
            "prompt_n": PROMPT_TOKENS,
            "prompt_ms": 31.268,
            "prompt_per_token_ms": 1.4212727272727272,
            "prompt_per_second": 703.5947294358449,
            "predicted_n": completion,
            "predicted_ms": 297.14,
            "predicted_per_token_ms": 9.004242424242424,
            "predicted_per_second": 111.05875681497,
        }
    }


def whole() -> bytes:
    message = {"role": "assistant", "content": WHOLE_TEXT}
    choices = [{"finish_reason": "stop", "index": 0, "message": message}]
    return encode(_headline("chat.completion", choices) | usage_of(WHOLE_TOKENS) | timings_of(WHOLE_TOKENS))


def chunk(delta: dict[str, Any], place: int, *, has_timings: bool) -> bytes:
    """One event; `place` counts tokens from 1."""
    choices = [{"finish_reason": None, "index": 0, "delta": delta}]
    timings = timings_of(place) if has_timings else {}
    return event(_headline("chat.completion.chunk", choices) | timings)


def ending(chunks: int, *, has_usage: bool) -> bytes:
    choices = [{"finish_reason": "stop", "index": 0, "delta": {}}]
    last = event(_headline("chat.completion.chunk", choices))
    if has_usage:
        last += event(_headline("chat.completion.chunk", []) | usage_of(chunks) | timings_of(chunks))
    return last + b"data: [DONE]\n\n"


def event(content: dict[str, Any]) -> bytes:
    return b"data: " + encode(content) + b"\n\n"


MODELS = encode(
    {
        "object": "list",
        "data": [
            {
                "id": MODEL,
                "object": "model",
                "created": CREATED,
                "owned_by": "llamacpp",
                "meta": {"n_ctx": 8192, "n_ctx_train": 32768, "size": 246587904},
            }
        ],
    }
)
COUNTED = encode({"input_tokens": PROMPT_TOKENS, "object": "response.input_tokens"})
PLAIN = {
    "/health": encode({"status": "ok"}),
    "/v1/models": MODELS,
    "/props": encode({"model_path": MODEL, "total_slots": 4}),
    "/tokenize": encode({"tokens": list(range(PROMPT_TOKENS))}),
    "/v1/chat/completions/input_tokens": COUNTED,
}
"""What is the same whoever asks."""
