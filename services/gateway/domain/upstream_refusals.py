"""What llama-server answers instead of 200, in OpenAI's terms. Nothing of its address or internals passes.

Its messages are shown only for a client's own mistakes, cut short. Some of those it reports as 500.
"""

import json
import re
from typing import Any

from services.gateway.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelLoading,
    NotOffered,
    Overloaded,
    UpstreamFailed,
    UpstreamRefusesUs,
)
from services.gateway.domain.generation import UpstreamCall
from shared.errors import PromptlyError

MESSAGE_LENGTH_MAX = 300
LOADING_RETRY_SECONDS = 5
BUSY_RETRY_SECONDS = 2
MISTAKES_AS_500 = (
    "Failed to parse messages",
    "Failed to parse tools",
    "image input is not supported",
    "audio input is not supported",
)
TOO_LARGE_AS_500 = "is too large to process"
"""An embedding's text must fit into one batch."""
NOT_THERE = (404, 405, 501)
"""501: the server was started without it (`--embeddings`)."""
OUR_FAULT = (401, 403, 404, 405)
"""Our key, our address or our request is wrong: the operator must know."""
CONTEXT_EXHAUSTED = "Context size has been exceeded"
"""A shared KV cache ran full: no fault of this request."""
_INTERNALS = re.compile(r"\[json\.exception\.[\w.]+\] *|\b\w+://\S+|(?<!\w)/[\w.-]+(?:/[\w.-]+)+")


def refusal_of(status: int, body: bytes, call: UpstreamCall) -> PromptlyError:
    """The error that stands for an upstream answer other than 200."""
    error = _error_in(body)
    message = str(error.get("message", ""))
    if error.get("type") == "exceed_context_size_error":
        return _context_exceeded(error, call.prompt_field)
    if status in NOT_THERE and call.offer:
        return NotOffered(f"The model that is loaded has no {call.offer}. See /v1/models for what it is.")
    if status in OUR_FAULT:
        return UpstreamRefusesUs("The model server refuses this service. Its operator has been told.")
    if status == 413 or TOO_LARGE_AS_500 in message:
        return ContextLengthExceeded("The prompt is too long: shorten it.", param=call.prompt_field)
    if status == 400 or (status == 500 and message.startswith(MISTAKES_AS_500)):
        return InvalidRequest(_cleaned(message) or "The model server refused the request.")
    if status == 503:
        return ModelLoading(
            "The model is being loaded. Please try again.", retry_after_seconds=LOADING_RETRY_SECONDS
        )
    if status == 429 or message.startswith(CONTEXT_EXHAUSTED):
        return Overloaded(
            "The model server is full. Please try again.", retry_after_seconds=BUSY_RETRY_SECONDS
        )
    return UpstreamFailed("The model server could not answer. Nothing was charged.")


def _context_exceeded(error: dict[str, Any], prompt_field: str) -> PromptlyError:
    prompt, context = error.get("n_prompt_tokens"), error.get("n_ctx")
    message = f"The prompt has {prompt} tokens, but the model's context is {context} tokens: shorten it."
    return ContextLengthExceeded(message, param=prompt_field)


def _error_in(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = answer.get("error") if isinstance(answer, dict) else None
    return error if isinstance(error, dict) else {}


def _cleaned(message: str) -> str:
    return _INTERNALS.sub("", message.splitlines()[0] if message else "")[:MESSAGE_LENGTH_MAX].strip()
