"""langchain-openai, by chat completions and by responses."""

import pytest

from tests.clients.conftest import Told


@pytest.mark.parametrize("way", ["chat", "chat_stream", "chat_stream_with_usage", "chat_history"])
def test_chat_in_every_way(langchain: Told, way: str) -> None:
    answer = langchain.value(way)
    assert "Paris" in answer["text"]
    assert answer["model"].endswith(".gguf")


@pytest.mark.parametrize("way", ["chat", "chat_stream_with_usage"])
def test_usage_is_what_langchain_counts_with(langchain: Told, way: str) -> None:
    usage = langchain.value(way)["usage"]
    assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"] > 10


def test_a_schema_shapes_the_answer(langchain: Told) -> None:
    assert langchain.value("structured").keys() == {"city"}


def test_a_wrong_key_is_its_authentication_error(langchain: Told) -> None:
    error = langchain.error("wrong_key")
    assert error["class"].endswith("AuthenticationError")
    assert error["status"] == 401


@pytest.mark.parametrize("way", ["responses", "responses_stream", "responses_second_turn"])
def test_responses_in_every_way(langchain: Told, way: str) -> None:
    answer = langchain.value(way)
    assert answer["text"]
    assert answer["finish"] in ("completed", "incomplete")
    assert answer["usage"]["total_tokens"] > 10
