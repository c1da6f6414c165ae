"""openai-node and the Vercel AI SDK."""

import pytest

from tests.clients.conftest import Told


@pytest.mark.parametrize("way", ["chat", "chatStream", "chatStreamHelper", "vercelChat", "vercelChatStream"])
def test_chat_in_every_way(node: Told, way: str) -> None:
    assert "Paris" in node.value(way)["text"]


def test_an_answer_has_its_request_id(node: Told) -> None:
    assert len(node.value("chat")["requestId"]) == 36


def test_a_stream_brings_usage_when_asked(node: Told) -> None:
    usage = node.value("chatStreamHelper")["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 10


def test_models_are_listed_and_found(node: Told) -> None:
    models = node.value("models")
    assert models["ids"] == [models["one"]]


@pytest.mark.parametrize(
    ("way", "error", "status", "code"),
    [
        ("wrongKey", "AuthenticationError", 401, "invalid_api_key"),
        ("badRequest", "BadRequestError", 400, "invalid_value"),
        ("notFound", "NotFoundError", 404, "model_not_found"),
    ],
)
def test_refusals_are_its_own_exceptions(node: Told, way: str, error: str, status: int, code: str) -> None:
    told = node.error(way)
    assert (told["class"], told["status"], told["code"]) == (error, status, code)
    assert told["requestID"]


@pytest.mark.parametrize("way", ["responses", "responsesStream", "vercelResponses", "vercelResponsesStream"])
def test_responses_in_every_way(node: Told, way: str) -> None:
    assert "Paris" in node.value(way)["text"]


def test_a_streamed_response_begins_and_ends_as_it_should(node: Told) -> None:
    types = node.value("responsesStream")["types"]
    assert types[0] == "response.created"
    assert types[-1] in ("response.completed", "response.incomplete")


def test_an_answer_may_be_part_of_the_next_question(node: Told) -> None:
    assert node.value("responsesSecondTurn")["status"] in ("completed", "incomplete")
