"""Bodies up to eight megabytes: read beside the event loop, and never for long, whoever made them to be slow."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.domain import chat_request, json_body
from services.gateway.domain.errors import BodyUnreadable
from services.gateway.domain.json_body import decode_object
from services.gateway.tests.support.accounts import Account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, error_of
from tests.support.upstream import StandInUpstream

MEGABYTE = 1 << 20
texts = st.text(alphabet='",[]{}\\a', max_size=5)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.one_of(st.none(), st.integers(), texts),
        lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    ),
    max_size=5,
)


def values_in(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + (sum(values_in(inner) for inner in value) if isinstance(value, list) else 0)


@pytest.mark.parametrize("unit", ["[],", "1,", "1.5,", '"",', '{"a":1},', "null,", "[[[[[1]]]]],"])
def test_a_body_of_too_many_values_is_refused_before_it_is_read(unit: str) -> None:
    body = '{"x":[' + unit * (8 * MEGABYTE // len(unit)) + "1]}"
    with pytest.raises(BodyUnreadable, match="more than 100000 JSON values"):
        decode_object(body.encode())


@given(documents)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_more_values_than_the_bound_are_ever_read(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    monkeypatch.setattr(json_body, "UNCOUNTED_BYTES_MAX", 0)
    monkeypatch.setattr(json_body, "VALUES_MAX", 8)
    try:
        assert values_in(decode_object(json.dumps(document).encode())) <= 8
    except BodyUnreadable:
        assert 2 * values_in(document) > 8


@pytest.mark.parametrize("text", ['a, "b", [c], {d} ', "\\", '\\"', "\n", "東京", "é"])
def test_what_lies_in_text_does_not_count(text: str) -> None:
    long = text * (2 * MEGABYTE // len(text))
    body = json.dumps({"messages": [{"role": "user", "content": long}]}, ensure_ascii=False).encode()
    assert decode_object(body)["messages"][0]["content"] == long


async def test_others_are_served_while_a_large_body_is_read(
    gateway: httpx.AsyncClient,
    account: Account,
    upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_reading, may_go_on = threading.Event(), threading.Event()

    def read_slowly(body: bytes) -> dict[str, Any]:
        if len(body) > MEGABYTE:
            is_reading.set()
            assert may_go_on.wait(10)
        return decode_object(body)

    monkeypatch.setattr(chat_request, "decode_object", read_slowly)
    large = QUESTION | {"metadata": {"text": "x" * 2 * MEGABYTE}}
    call = asyncio.create_task(gateway.post(CHAT, json=large, headers=account.headers))
    await asyncio.to_thread(is_reading.wait, 10)
    for body in (STREAMED, QUESTION):
        assert (await gateway.post(CHAT, json=body, headers=account.headers)).status_code == 200
    assert not call.done()
    may_go_on.set()
    await call
    assert upstream.generations


async def test_a_body_above_eight_megabytes_is_413(gateway: httpx.AsyncClient, account: Account) -> None:
    body = b'{"messages":"' + b"x" * (8 * MEGABYTE) + b'"}'
    reply = await gateway.post(CHAT, content=body, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (413, "request_too_large")
