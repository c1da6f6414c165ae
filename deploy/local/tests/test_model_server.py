"""The small real model: what it must be able to do for a newcomer's first request."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.servers import model
from deploy.local.settings import ROOT

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder, port = tmp_path_factory.mktemp("model"), free_port()
    child = processes.start(model.prepare(ROOT, folder, port=port, api_key="key"), marker=folder)
    try:
        processes.wait_ready(child)
        url, headers = f"http://127.0.0.1:{port}", {"Authorization": "Bearer key"}
        # llama-server may close a kept connection at the moment when the next request is sent.
        one_each = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=url, headers=headers, timeout=60, limits=one_each) as made:
            yield made
    finally:
        child.stop()


def test_it_knows_the_capital_of_france_and_stops(client: httpx.Client) -> None:
    reply = client.post("/v1/chat/completions", json={"messages": QUESTION}).json()
    assert reply["choices"][0]["message"]["content"] == "The capital of France is Paris."
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_it_streams_the_same_answer(client: httpx.Client) -> None:
    body = {"messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    streamed = client.post("/v1/chat/completions", json=body).text
    assert '"finish_reason":"stop"' in streamed
    assert '"completion_tokens"' in streamed
    assert streamed.rstrip().endswith("data: [DONE]")


def test_it_goes_by_its_file_name(client: httpx.Client) -> None:
    assert client.get("/v1/models").json()["data"][0]["id"] == "gemma-3-270m-q4_k_m.gguf"


def test_it_answers_to_its_key_only(client: httpx.Client) -> None:
    assert client.get("/v1/models", headers={"Authorization": "Bearer other"}).status_code == 401


def test_its_counters_can_be_audited(client: httpx.Client) -> None:
    assert "llamacpp:tokens_predicted_total" in client.get("/metrics").text
