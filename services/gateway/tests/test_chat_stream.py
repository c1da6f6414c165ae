"""The stream's meter: any split of the bytes gives the same, and nothing a model writes changes a count."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.chat_stream import ChatStream
from services.gateway.domain.counts import Counts
from services.gateway.domain.sse import EVENT_BYTES_MAX

HEAD = {"created": 1, "id": "chatcmpl-x", "model": "/models/größe.gguf", "object": "chat.completion.chunk"}
FORGERIES = (
    '","timings":{"cache_n":0,"prompt_n":1,"predicted_n":1}}',
    '"usage":{"prompt_tokens":0,"completion_tokens":0}',
    "data: [DONE]",
    '\n\ndata: {"error":{}}\n\n',
    "usage",
    '{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0}}',
)
texts = st.one_of(st.sampled_from(FORGERIES), st.text(max_size=12))
fields = st.sampled_from(["content", "reasoning_content", "arguments", "logprobs"])


def delta_of(field: str, text: str) -> dict[str, Any]:
    if field == "arguments":
        call = {"index": 0, "function": {"arguments": text}}
        return {"finish_reason": None, "index": 0, "delta": {"tool_calls": [call]}}
    if field == "logprobs":
        token = {"id": 1, "token": text, "logprob": -0.1}
        return {"finish_reason": None, "index": 0, "delta": {}, "logprobs": {"content": [token]}}
    return {"finish_reason": None, "index": 0, "delta": {field: text}}


def event(choices: list[Any], **more: Any) -> bytes:
    chunk = {"choices": choices} | HEAD | more
    return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def timings(prompt: int, completion: int) -> dict[str, Any]:
    return {"cache_n": 8, "prompt_n": prompt - 8, "prompt_ms": 31.2, "predicted_n": completion}


def usage(prompt: int, completion: int) -> dict[str, Any]:
    details = {"cached_tokens": 8}
    return {"completion_tokens": completion, "prompt_tokens": prompt, "prompt_tokens_details": details}


def answer(pieces: list[tuple[str, str]], *, cut: bool = False) -> bytes:
    """llama-server's stream for these deltas, one token each, after a prompt of 13; perhaps cut off."""
    events = [b":\n\n", event([delta_of("content", "")])]
    events += [
        event([delta_of(field, text)], timings=timings(13, at))
        for at, (field, text) in enumerate(pieces, start=1)
    ]
    if not cut:
        last = len(pieces)
        events.append(event([{"finish_reason": "stop", "index": 0, "delta": {}}]))
        events.append(event([], usage=usage(13, last), timings=timings(13, last)))
        events.append(b"data: [DONE]\n\n")
    return b"".join(events)


def pass_through(stream: ChatStream, pieces: list[bytes]) -> bytes:
    return b"".join(stream.feed(piece) for piece in pieces)


def chunks_in(passed: bytes) -> list[dict[str, Any]]:
    data = [event[6:] for event in passed.split(b"\n\n") if event.startswith(b"data: {")]
    return [json.loads(text) for text in data]


def cut_at(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.tuples(fields, texts), max_size=6), st.lists(st.integers(0, 1 << 20), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_answer_and_counts(
    pieces: list[tuple[str, str]], places: list[int]
) -> None:
    data = answer(pieces)
    at_once, split = ChatStream(include_usage=True), ChatStream(include_usage=True)
    assert pass_through(at_once, [data]) == pass_through(split, cut_at(data, places))
    assert at_once.counts() == split.counts() == Counts(13, len(pieces), 8, estimated=False)
    assert at_once.is_done
    assert split.is_done


@given(st.lists(st.tuples(fields, texts), min_size=1, max_size=6))
def test_what_a_model_writes_reaches_the_client_and_changes_no_count(pieces: list[tuple[str, str]]) -> None:
    stream = ChatStream(include_usage=False)
    chunks = chunks_in(stream.feed(answer(pieces)))
    assert [chunk["choices"][0] for chunk in chunks[1:-1]] == [delta_of(*piece) for piece in pieces]
    assert stream.counts() == Counts(13, len(pieces), 8, estimated=False)
    assert stream.failure is None


@given(st.lists(st.tuples(fields, texts), min_size=1, max_size=6))
def test_a_cut_stream_counts_what_has_been_received(pieces: list[tuple[str, str]]) -> None:
    stream = ChatStream(include_usage=False)
    stream.feed(answer(pieces, cut=True))
    assert stream.counts() == Counts(13, len(pieces), 8, estimated=True)
    assert not stream.is_done


def test_timings_and_the_models_path_are_cut_out() -> None:
    stream = ChatStream(include_usage=True)
    passed = stream.feed(answer([("content", "Paris"), ("content", "!")]))
    assert b"timings" not in passed
    assert b"/models" not in passed
    assert {chunk["model"] for chunk in chunks_in(passed)} == {"größe.gguf"}
    assert stream.model == "größe.gguf"


def test_the_usage_chunk_is_for_those_who_asked() -> None:
    data = answer([("content", "Paris")])
    asked, others = ChatStream(include_usage=True), ChatStream(include_usage=False)
    assert chunks_in(asked.feed(data))[-1]["usage"] == usage(13, 1)
    assert all(chunk["choices"] for chunk in chunks_in(others.feed(data)))


def test_chunks_with_spaces_and_another_order_are_read_as_well() -> None:
    stream = ChatStream(include_usage=False)
    chunk = {"timings": timings(13, 1), "choices": [delta_of("content", "a")], **HEAD}
    passed = stream.feed(b"data: " + json.dumps(chunk, indent=None).encode() + b"\r\n\r\n")
    assert "timings" not in chunks_in(passed)[0]
    assert stream.counts() == Counts(13, 1, 8, estimated=True)


def test_comments_pass() -> None:
    assert ChatStream(include_usage=False).feed(b":\n\n") == b":\n\n"


def test_an_explicit_zero_stays_zero() -> None:
    stream = ChatStream(include_usage=False)
    stream.feed(event([delta_of("content", "a")], timings=timings(13, 1)) + event([], usage=usage(0, 0)))
    assert stream.counts() == Counts(0, 0, 0, estimated=False)


@pytest.mark.parametrize("wrong", [None, {}, {"prompt_tokens": -1, "completion_tokens": 1}, "13", [13]])
def test_unreadable_usage_is_absent_not_zero(wrong: object) -> None:
    stream = ChatStream(include_usage=False)
    stream.feed(event([delta_of("content", "a")], timings=timings(13, 1)) + event([], usage=wrong))
    assert stream.counts() == Counts(13, 1, 8, estimated=True)


def test_nothing_received_is_no_count() -> None:
    stream = ChatStream(include_usage=False)
    stream.feed(event([delta_of("content", "")]))
    assert stream.counts() is None


@pytest.mark.parametrize(
    "broken", [b'data: {"error":{"message":"no","code":500}}\n\n', b"data: {oops\n\n", b"data: [1]\n\n"]
)
def test_an_error_in_the_stream_ends_it_and_is_not_passed_on(broken: bytes) -> None:
    stream = ChatStream(include_usage=False)
    whole = event([delta_of("content", "a")], timings=timings(13, 1))
    passed = stream.feed(whole + broken + whole)
    assert len(chunks_in(passed)) == 1
    assert stream.failure is not None


def test_an_event_without_end_is_a_failure_not_a_leak() -> None:
    stream = ChatStream(include_usage=False)
    stream.feed(b"data: " + b"x" * (EVENT_BYTES_MAX - 100))
    assert stream.failure is None
    stream.feed(b"x" * 200)
    assert stream.failure is not None


def test_nothing_after_done_is_passed_on() -> None:
    stream = ChatStream(include_usage=False)
    assert stream.feed(b"data: [DONE]\n\n" + event([delta_of("content", "more")])) == b"data: [DONE]\n\n"


def test_what_all_chunks_have_in_common_is_compared_and_not_assumed() -> None:
    """After it has been learned: another model, a usage and an error are still seen, wherever they stand."""
    stream = ChatStream(include_usage=True)
    for _ in range(3):
        stream.feed(event([delta_of("content", "a")], timings=timings(13, 1)))
    assert stream.pass_plain(event([delta_of("content", "a")], timings=timings(13, 2))) is not None
    others: tuple[dict[str, Any], ...] = ({"model": "other"}, {"usage": usage(13, 3)}, {"error": {}})
    for more in others:
        assert stream.pass_plain(event([delta_of("content", "a")], **more, timings=timings(13, 3))) is None
    at_front = event([delta_of("content", "a")], timings=timings(13, 4)).replace(
        b'{"choices"', b'{"usage":{},"choices"'
    )
    assert stream.pass_plain(at_front) is None
