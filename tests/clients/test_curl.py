"""curl, as the documentation shows it and as people type it."""

import json
import subprocess
from typing import Any

from tests.support.person import CAPITAL_OF_FRANCE, Person

BODY = json.dumps({"model": "any", "messages": CAPITAL_OF_FRANCE, "max_tokens": 24, "temperature": 0})


def curl(person: Person, path: str, *options: str) -> str:
    authorization = f"Authorization: Bearer {person.key}"
    command = ["curl", "-sS", "--max-time", "60", f"{person.base_url}{path}", "-H", authorization, *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_question(customer: Person) -> None:
    answer = json.loads(
        curl(customer, "/v1/chat/completions", "-H", "Content-Type: application/json", "-d", BODY)
    )
    assert "Paris" in answer["choices"][0]["message"]["content"]


def test_a_question_without_its_content_type(customer: Person) -> None:
    """`-d` alone says form data; what counts is the body."""
    assert "choices" in json.loads(curl(customer, "/v1/chat/completions", "-d", BODY))


def test_a_question_sent_in_chunks(customer: Person) -> None:
    chunked = curl(customer, "/v1/chat/completions", "-H", "Transfer-Encoding: chunked", "-d", BODY)
    assert "choices" in json.loads(chunked)


def test_a_stream(customer: Person) -> None:
    body = json.dumps(json.loads(BODY) | {"stream": True})
    lines = [line for line in curl(customer, "/v1/chat/completions", "-N", "-d", body).splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"


def test_a_response_stream_has_named_events(customer: Person) -> None:
    body = json.dumps({"model": "any", "input": "Hi", "stream": True, "max_output_tokens": 8})
    lines = curl(customer, "/v1/responses", "-N", "-d", body).splitlines()
    assert lines[0] == "event: response.created"
    assert json.loads(lines[1].removeprefix("data: "))["sequence_number"] == 0


def test_models_balance_and_usage(customer: Person) -> None:
    [model] = json.loads(curl(customer, "/v1/models"))["data"]
    assert json.loads(curl(customer, f"/v1/models/{model['id']}")) == model
    assert json.loads(curl(customer, "/v1/balance"))["available"] > 0
    assert json.loads(curl(customer, "/v1/usage"))["object"] == "list"


def test_a_head_request(customer: Person) -> None:
    head = curl(customer, "/v1/models", "--head")
    assert head.startswith("HTTP/1.1 200")
    assert "x-ratelimit-remaining-requests" in head.lower()


def test_an_error_is_json(customer: Person) -> None:
    refused: dict[str, Any] = json.loads(curl(customer, "/v1/chat/completions", "-d", "not json"))
    assert refused["error"]["code"] == "invalid_json"
