"""Text completions and embeddings: what goes on, what is refused by name, and what comes back."""

import json
from typing import Any

import httpx
import pytest
from openai import AsyncOpenAI
from openai.types import Completion, CreateEmbeddingResponse

from services.gateway.domain.completion_request import CompletionRequest, parse_completion_request
from services.gateway.domain.embedding_request import (
    INPUTS_MAX,
    EmbeddingRequest,
    parse_embedding_request,
    read_embeddings,
)
from services.gateway.domain.errors import InvalidRequest, UpstreamFailed
from services.gateway.domain.generation import CompletionLimits
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import chunks_in, error_of
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
PROMPT: dict[str, Any] = {"prompt": "The capital"}
INPUT: dict[str, Any] = {"input": ["The capital", "of France"]}
LIMITS = CompletionLimits(default=100, maximum=1000)


def completion(**fields: Any) -> CompletionRequest:
    return parse_completion_request(json.dumps(PROMPT | fields).encode(), LIMITS)


def embedding(**fields: Any) -> EmbeddingRequest:
    return parse_embedding_request(json.dumps(INPUT | fields).encode(), LIMITS)


def test_a_completion_is_built_from_its_prompt_and_sampling_and_the_granted_limit() -> None:
    request = completion(temperature=0.5, stop="\n", seed=3, user="u", model="m", echo=False, n=1, best_of=1)
    body = {"prompt": "The capital", "temperature": 0.5, "stop": ["\n"], "seed": 3, "max_tokens": 5}
    assert json.loads(request.upstream_call(5).body) == body | {"stream": False}
    assert (request.tokens_completion, completion(max_tokens=7).tokens_completion) == (100, 7)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"), ({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": {"prompt_string": "a"}}, "prompt"), ({"n": 2}, "n"), ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"), ({"suffix": "x"}, "suffix"), ({"logprobs": 2}, "logprobs"),
        ({"n_probs": 2}, "n_probs"), ({"grammar": "x"}, "grammar"), ({"max_tokens": 0}, "max_tokens"),
    ],
)  # fmt: skip
def test_what_a_completion_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        completion(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"), ({"input": []}, "input"), ({"input": ""}, "input"), ({"input": 5}, "input"),
        ({"input": ["a", ""]}, "input[1]"), ({"input": [1, 2]}, "input[0]"), ({"input": [[1, 2]]}, "input[0]"),
        ({"input": ["a"] * (INPUTS_MAX + 1)}, "input"), ({"dimensions": 4}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"), ({"n_probs": 2}, "n_probs"),
    ],
)  # fmt: skip
def test_what_an_embedding_cannot_be_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        embedding(**fields)
    assert refused.value.param == param


def test_unknown_fields_are_left_out_and_named() -> None:
    assert completion(future=1, max_completion_tokens=2).ignored_fields == ("future", "max_completion_tokens")
    assert embedding(future=1).ignored_fields == ("future",)


def test_an_embedding_generates_nothing_and_its_bound_covers_every_text() -> None:
    request = embedding()
    assert (request.tokens_completion, request.stream) == (0, False)
    assert request.tokens_prompt_bound >= len("The capitalof France")


def test_requests_hide_what_they_say() -> None:
    assert "capital" not in repr([completion(), embedding(), completion().count_call()])


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"object":"list"}', b'{"object":"x","data":[]}'])
def test_what_is_no_list_of_embeddings_is_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        read_embeddings(body)


async def test_a_completion_is_valid_by_the_sdks_type(gateway: httpx.AsyncClient, account: Account) -> None:
    reply = await gateway.post(COMPLETIONS, json=PROMPT, headers=account.headers)
    answer = Completion.model_validate_json(reply.content, strict=True)
    assert (answer.choices[0].text, answer.model) == ("".join(PARIS), MODEL_NAME)
    assert "timings" not in reply.text


def piece_of_completion(chunk: dict[str, Any]) -> Completion:
    """The SDK's type does not know the null that stands for 'not ended yet', in OpenAI's streams as well."""
    choices = [choice | {"finish_reason": choice["finish_reason"] or "stop"} for choice in chunk["choices"]]
    return Completion.model_validate_json(json.dumps(chunk | {"choices": choices}), strict=True)


async def test_a_streamed_completion_is_cleaned_and_its_usage_comes_in_a_chunk_of_its_own_to_those_who_ask(
    gateway: httpx.AsyncClient, account: Account
) -> None:
    body = PROMPT | {"stream": True}
    plain = await gateway.post(COMPLETIONS, json=body, headers=account.headers)
    asked = body | {"stream_options": {"include_usage": True}}
    counted = await gateway.post(COMPLETIONS, json=asked, headers=account.headers)
    assert "usage" not in plain.text
    for reply in (plain, counted):
        chunks = [piece_of_completion(chunk) for chunk in chunks_in(reply.text)]
        assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "".join(PARIS)
        assert "timings" not in reply.text
        assert reply.text.endswith("data: [DONE]\n\n")
    last = chunks_in(counted.text)[-1]
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], len(PARIS))
    assert ["usage" in chunk for chunk in chunks_in(counted.text)].count(True) == 1


async def test_embeddings_are_valid_by_the_sdks_type(gateway: httpx.AsyncClient, account: Account) -> None:
    reply = await gateway.post(EMBEDDINGS, json=INPUT, headers=account.headers)
    answer = CreateEmbeddingResponse.model_validate_json(reply.content, strict=True)
    assert (len(answer.data), answer.model) == (2, MODEL_NAME)
    assert "/models" not in reply.text


async def test_the_official_client_completes_and_embeds(gateway: httpx.AsyncClient, account: Account) -> None:
    base_url = f"{gateway.base_url}/v1"
    async with AsyncOpenAI(base_url=base_url, api_key=account.key, max_retries=0) as client:
        answer = await client.completions.create(model="m", prompt="The capital", max_tokens=2)
        assert (answer.choices[0].text, answer.choices[0].finish_reason) == ("".join(PARIS[:2]), "length")
        vectors = await client.embeddings.create(model="m", input="The capital", encoding_format="float")
        assert vectors.data[0].embedding[0] < 0


async def test_a_model_without_embeddings_says_so_and_stays_up(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.has_embeddings = False
    reply = await gateway.post(EMBEDDINGS, json=INPUT, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (404, "not_offered")
    assert "no embeddings" in error_of(reply)["message"]
    assert 'upstream_up{upstream="0"} 1.0' in (await gateway.get("/metrics")).text


async def test_an_overlong_prompt_names_the_field_it_was_sent_in(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    error = {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9002, "n_ctx": 8192}
    upstream.script = Script(error=(400, error | {"message": "too long"}))
    for path, body, param in ((COMPLETIONS, PROMPT, "prompt"), ("/v1/responses", {"input": "Hi"}, "input")):
        reply = await gateway.post(path, json=body, headers=account.headers)
        told = error_of(reply)
        assert (reply.status_code, told["code"], told["param"]) == (400, "context_length_exceeded", param)
