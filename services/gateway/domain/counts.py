"""Tokens as the upstream counts them. Absent is not zero: what cannot be read is None, an explicit zero stays."""

from dataclasses import dataclass
from typing import Any

TOKENS_MAX = 2**31 - 1
"""Of one request. No model comes near it; what is beyond is no count, and beyond 2^53 Redis could not keep it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """`cached` lies inside `prompt`. `estimated`: not from the upstream's final usage."""

    prompt: int
    completion: int
    cached: int
    estimated: bool


def counts_of_usage(usage: Any) -> Counts | None:
    """From the `usage` object of an answer's end."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = tokens_of(usage.get("prompt_tokens")), tokens_of(usage.get("completion_tokens"))
    if prompt is None or completion is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = tokens_of(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Counts(prompt, completion, min(cached or 0, prompt), estimated=False)


def counts_of_prompt(usage: Any) -> Counts | None:
    """From the `usage` object of an answer for which nothing is generated."""
    prompt = tokens_of(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
    return None if prompt is None else Counts(prompt, 0, 0, estimated=False)


def counts_of_timings(timings: Any) -> Counts | None:
    """From llama-server's `timings` so far: exact for what has been received, but not its last word."""
    if not isinstance(timings, dict):
        return None
    cached, processed = tokens_of(timings.get("cache_n")), tokens_of(timings.get("prompt_n"))
    completion = tokens_of(timings.get("predicted_n"))
    if cached is None or processed is None or completion is None:
        return None
    return Counts(cached + processed, completion, cached, estimated=True)


def tokens_of(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= TOKENS_MAX
    return value if is_count else None
