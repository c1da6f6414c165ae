"""From a stranger's address to the first true answer, and the exact price of it."""

import json

from openai import AsyncOpenAI

from tests.support.eventually import eventually
from tests.support.person import CAPITAL_OF_FRANCE, KEY_IN_MAIL, Person

POSTED_WITHIN_SECONDS = 1


async def test_a_stranger_registers_and_finds_the_key_in_the_mailbox(person: Person) -> None:
    page = await person.register()
    assert person.address in page.text
    assert not KEY_IN_MAIL.search(page.text)
    assert len(person.mails()) == 1


async def test_the_real_model_knows_the_capital_of_france_and_stops(person: Person) -> None:
    await person.register()
    answer = (await person.ask(max_tokens=64)).json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["model"].endswith(".gguf")


async def test_a_stream_says_the_same_and_shows_nothing_that_was_not_asked_for(person: Person) -> None:
    await person.register()
    answer = await person.ask(max_tokens=64, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    chunks = [json.loads(event) for event in events[:-1]]
    assert events[-1] == "[DONE]"
    assert "Paris" in "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert all("timings" not in chunk and "usage" not in chunk for chunk in chunks)


async def test_the_balance_falls_by_exactly_the_usage_within_a_second(person: Person) -> None:
    await person.register()
    await person.ask()
    granted = await person.available()
    whole = (await person.ask()).json()["usage"]["total_tokens"]
    streamed = await person.ask(stream=True, stream_options={"include_usage": True})
    usage = json.loads(streamed.text.split("data: ")[-2])["usage"]["total_tokens"]

    assert await person.available() == granted - whole - usage

    async def dashboard_agrees() -> bool:
        return f"{granted - whole - usage:,}" in (await person.dashboard()).text

    await eventually(dashboard_agrees, within_seconds=POSTED_WITHIN_SECONDS)


async def test_openai_python_works_against_it(person: Person) -> None:
    await person.register()
    await person.ask()
    async with AsyncOpenAI(base_url=f"{person.base_url}/v1", api_key=person.key) as client:
        whole = await client.chat.completions.create(model="any", messages=CAPITAL_OF_FRANCE, max_tokens=24)
        stream = await client.chat.completions.create(
            model="any", messages=CAPITAL_OF_FRANCE, max_tokens=24, stream=True
        )
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        models = await client.models.list()
    assert "Paris" in (whole.choices[0].message.content or "")
    assert "Paris" in text
    assert [model.id for model in models.data] == [whole.model]
