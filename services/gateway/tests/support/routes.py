"""Every route that generates, with a request of five prompt tokens to the stand-in upstream for each."""

from typing import Any

Body = dict[str, Any]

BODIES: dict[str, Body] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
    "/v1/responses": {"input": "Hi"},
    "/v1/completions": {"prompt": "The capital of France"},
    "/v1/embeddings": {"input": "The capital of France"},
}
STREAMING = {route: body | {"stream": True} for route, body in BODIES.items() if route != "/v1/embeddings"}
TOKENS_PROMPT = 5
LAST_WORDS = {
    "/v1/chat/completions": "data: [DONE]",
    "/v1/responses": "event: response.completed",
    "/v1/completions": "data: [DONE]",
}


def endpoint_of(route: str) -> str:
    """As usage records call it."""
    return {
        "/v1/chat/completions": "chat.completions",
        "/v1/responses": "responses",
        "/v1/completions": "completions",
        "/v1/embeddings": "embeddings",
    }[route]
