"""openai-python, which checks every answer strictly against its own types here."""

from collections.abc import AsyncIterator

import openai
import pytest
from openai.types.responses import EasyInputMessageParam, ResponseInputParam
from pydantic import BaseModel

from tests.support.person import CAPITAL_OF_FRANCE, Person
from tests.support.stack import Stack

QUESTION = "What is the capital of France?"
RATE = "x-ratelimit-remaining-requests"


class City(BaseModel):
    city: str


def client_of(person: Person, **options: object) -> openai.AsyncOpenAI:
    base = {"base_url": f"{person.base_url}/v1", "api_key": person.key, "_strict_response_validation": True}
    return openai.AsyncOpenAI(**base | options)  # type: ignore[arg-type]


@pytest.fixture
async def client(customer: Person) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(customer) as client:
        yield client


@pytest.fixture
async def newcomer(stack: Stack) -> Person:
    """With a trial of a few hundred tokens."""
    person = Person(stack.base_url, stack.mails)
    await person.register()
    await person.ask(max_tokens=1)
    return person


async def test_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=CAPITAL_OF_FRANCE, max_tokens=24, seed=7, user="ada", temperature=0
    )
    assert "Paris" in (answer.choices[0].message.content or "")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert len(answer._request_id or "") == 36


async def test_chat_streamed(client: openai.AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="any",
        messages=CAPITAL_OF_FRANCE,
        max_tokens=24,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "Paris" in text
    assert chunks[-1].usage is not None
    assert {len(chunk.choices) for chunk in chunks[:-1]} == {1}


async def test_chat_by_the_streaming_helper(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="any", messages=CAPITAL_OF_FRANCE, max_tokens=24
    ) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].finish_reason in ("stop", "length")


async def test_chat_in_the_shape_of_a_class(client: openai.AsyncOpenAI) -> None:
    parsed = await client.chat.completions.parse(
        model="any", messages=CAPITAL_OF_FRANCE, max_tokens=64, response_format=City, temperature=0
    )
    assert isinstance(parsed.choices[0].message.parsed, City)


async def test_models(client: openai.AsyncOpenAI) -> None:
    [model] = [model async for model in client.models.list()]
    assert model.id.endswith(".gguf")
    assert await client.models.retrieve(model.id) == model


async def test_a_response(client: openai.AsyncOpenAI) -> None:
    answer = await client.responses.create(
        model="any", input=QUESTION, instructions="Be brief.", max_output_tokens=64, temperature=0
    )
    assert "Paris" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


async def test_a_streamed_response_and_its_final_object(client: openai.AsyncOpenAI) -> None:
    async with client.responses.stream(
        model="any", input=QUESTION, max_output_tokens=64, temperature=0
    ) as stream:
        types = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert "Paris" in final.output_text
    assert (types[0], types[-1]) == ("response.created", "response.completed")


async def test_a_second_turn_takes_the_output_of_the_first(client: openai.AsyncOpenAI) -> None:
    first = await client.responses.create(model="any", input=QUESTION, max_output_tokens=64)
    asked: EasyInputMessageParam = {"role": "user", "content": QUESTION}
    more: EasyInputMessageParam = {"role": "user", "content": "And of Spain?"}
    turns: ResponseInputParam = [asked, *first.output, more]  # type: ignore[list-item]
    second = await client.responses.create(model="any", input=turns, max_output_tokens=24)
    assert second.output_text


async def test_a_response_that_is_cut_says_so(client: openai.AsyncOpenAI) -> None:
    answer = await client.responses.create(model="any", input="Count to fifty.", max_output_tokens=3)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


async def test_headers_of_an_answer(client: openai.AsyncOpenAI) -> None:
    raw = await client.models.with_raw_response.list()
    assert raw.headers["x-request-id"] == raw.request_id
    assert 0 <= int(raw.headers[RATE]) < int(raw.headers["x-ratelimit-limit-requests"])


async def test_a_wrong_key_is_an_authentication_error(customer: Person) -> None:
    async with client_of(customer, api_key="sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.models.list()
    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id


async def test_a_wrong_value_is_a_bad_request_that_names_it(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="any", messages=CAPITAL_OF_FRANCE, n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.BadRequestError) as refused:
        await client.responses.create(model="any", input=QUESTION, previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"


async def test_what_is_not_there_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.models.retrieve("gpt-4o")
    assert refused.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as refused:
        await client.images.generate(prompt="a cat")
    assert refused.value.code == "unknown_url"


async def test_a_prompt_beyond_the_context_is_named(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "one two " * 50_000}], max_tokens=1
        )
    assert refused.value.code == "context_length_exceeded"


async def test_an_empty_purse_is_402_and_not_tried_again(newcomer: Person) -> None:
    async with client_of(newcomer, max_retries=5, timeout=10) as client:
        with pytest.raises(openai.APIStatusError) as refused:
            await client.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "one two " * 400}], max_tokens=1
            )
    assert (refused.value.status_code, refused.value.code) == (402, "insufficient_quota")


async def test_too_many_requests_are_a_rate_limit_error(newcomer: Person) -> None:
    async def ask_for_ever(client: openai.AsyncOpenAI) -> None:
        for _ in range(100):
            await client.models.list()

    async with client_of(newcomer, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            await ask_for_ever(client)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers[RATE] == "0"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 61
