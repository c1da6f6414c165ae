"""The fields of a chat request that pass, by name, and those that are refused by name.

llama-server copies whatever it does not know into its sampling parameters, so nothing else reaches it.
Structured fields (messages, tools, response_format, token limits, streaming) have their own modules.
"""

from services.gateway.domain.checks import (
    Check,
    boolean,
    integer,
    logit_bias,
    number,
    one_of,
    seed,
    stop,
)

INT32_MAX = 2**31 - 1

PASSED: dict[str, Check] = {
    # OpenAI's
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "seed": seed,
    "stop": stop,
    "logit_bias": logit_bias,
    "logprobs": boolean,
    "top_logprobs": integer(0, 20),  # unbounded it is 430 kB per token
    "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh"),
    # llama.cpp's, harmless
    "top_k": integer(-1, INT32_MAX),
    "min_p": number(0, 1),
    "typical_p": number(0, 1),
    "top_n_sigma": number(-1, 100),
    "repeat_penalty": number(0.01, 10),
    "repeat_last_n": integer(-1, 65536),
    "dynatemp_range": number(0, 2),
    "dynatemp_exponent": number(0, 10),
}

WITHOUT_EFFECT = frozenset(
    {
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "user",
    }
)
"""Accepted and not sent on: they ask for nothing that an answer would show."""

REFUSED = frozenset(
    {
        "add_generation_prompt",
        "audio",
        "backend_sampling",
        "cache_prompt",
        "chat_template",
        "chat_template_kwargs",
        "continue_final_message",
        "echo",
        "function_call",
        "functions",
        "grammar",
        "grammar_lazy",
        "grammar_triggers",
        "id_slot",
        "ignore_eos",
        "json_schema",
        "lora",
        "min_keep",
        "moderation",
        "n_cache_reuse",
        "n_discard",
        "n_indent",
        "n_keep",
        "n_predict",
        "n_probs",
        "parse_tool_calls",
        "post_sampling_probs",
        "reasoning_control",
        "reasoning_format",
        "response_fields",
        "return_progress",
        "return_tokens",
        "samplers",
        "sse_ping_interval",
        "t_max_predict_ms",
        "thinking_budget_tokens",
        "timings_per_token",
        "verbose",
        "web_search_options",
    }
)
"""They escape metering, reach other users' state, change the answer's shape or can crash the server."""

NAMED_AS_IGNORED = frozenset({"prediction", "verbosity"})
"""OpenAI's fields that no model here follows. A reply says so, as for a field that nobody knows."""

REFUSED_PREFIXES = ("dry_", "mirostat", "reasoning_budget", "speculative", "xtc_")


def is_refused(field: str) -> bool:
    return field in REFUSED or field.startswith(REFUSED_PREFIXES)
