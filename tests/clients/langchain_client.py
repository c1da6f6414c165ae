"""LangChain's client for OpenAI, in its own environment. Prints as JSON what it got.

Run by tests/clients/conftest.py; imports nothing of this project."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from langchain_openai import ChatOpenAI

QUESTION = "What is the capital of France?"
TRIED: dict[str, Callable[[], Any]] = {}


def client(**options: Any) -> ChatOpenAI:
    usual = {"max_tokens": 24, "temperature": 0, "max_retries": 2, "timeout": 60}
    key = options.pop("api_key", os.environ["API_KEY"])
    return ChatOpenAI(model="any", base_url=os.environ["BASE_URL"], api_key=key, **usual | options)


def tried(function: Callable[[], Any]) -> Callable[[], Any]:
    TRIED[function.__name__] = function
    return function


@tried
def chat() -> Any:
    return _shown(client().invoke(QUESTION))


@tried
def chat_stream() -> Any:
    return _shown(_joined(client().stream(QUESTION)))


@tried
def chat_stream_with_usage() -> Any:
    return _shown(_joined(client(stream_usage=True).stream(QUESTION)))


@tried
def chat_history() -> Any:
    return _shown(
        client().invoke([("system", "Be brief."), ("human", "Hi"), ("ai", "Hello"), ("human", QUESTION)])
    )


@tried
def structured() -> Any:
    schema = {
        "title": "answer",
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    }
    return client(max_tokens=64).with_structured_output(schema, method="json_schema").invoke(QUESTION)


@tried
def wrong_key() -> Any:
    return _shown(client(api_key="sk-wrong").invoke(QUESTION))


@tried
def responses() -> Any:
    return _shown(client(use_responses_api=True).invoke(QUESTION))


@tried
def responses_stream() -> Any:
    return _shown(_joined(client(use_responses_api=True).stream(QUESTION)))


@tried
def responses_second_turn() -> Any:
    model = client(use_responses_api=True)
    first = model.invoke(QUESTION)
    return _shown(model.invoke([("human", QUESTION), first, ("human", "And of Spain?")]))


def _joined(chunks: Any) -> Any:
    whole = None
    for chunk in chunks:
        whole = chunk if whole is None else whole + chunk
    return whole


def _shown(message: Any) -> dict[str, Any]:
    return {
        "text": message.text,
        "usage": message.usage_metadata,
        "model": message.response_metadata.get("model_name"),
        "finish": message.response_metadata.get("finish_reason") or message.response_metadata.get("status"),
    }


def _outcome(attempt: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": attempt()}
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what it tells
        status = getattr(error, "status_code", None)
        return {"error": {"class": type(error).__name__, "status": status, "message": str(error)}}


if __name__ == "__main__":
    json.dump({name: _outcome(attempt) for name, attempt in TRIED.items()}, sys.stdout)
