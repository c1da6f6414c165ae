"""Who pays, who is next, and what an upstream's refusal means: the small decisions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.charge import Charge, ChargePrompt, Ending, Nothing, who_pays, within_hold
from services.gateway.domain.counts import Counts
from services.gateway.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    ModelLoading,
    NotOffered,
    Overloaded,
    UpstreamFailed,
    UpstreamRefusesUs,
)
from services.gateway.domain.fair_queue import FairQueue, Place
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.model_names import file_name
from services.gateway.domain.upstream_refusals import refusal_of
from services.gateway.domain.whole_answer import read_whole_answer

CALL = UpstreamCall("/v1/chat/completions", b"{}", "messages")
SOME = Counts(13, 4, 8, estimated=True)


@pytest.mark.parametrize(
    ("ending", "received", "due"),
    [
        (Ending.COMPLETED, SOME, Charge(SOME)),
        (Ending.COMPLETED, None, ChargePrompt()),
        (Ending.NOT_ANSWERED, None, Nothing()),
        (Ending.CLIENT_LEFT, SOME, Charge(SOME)),
        (Ending.CLIENT_LEFT, None, ChargePrompt()),
        (Ending.UPSTREAM_BROKE, SOME, Charge(SOME)),
        (Ending.UPSTREAM_BROKE, None, Nothing()),
        (Ending.CUT, SOME, Charge(SOME)),
        (Ending.CUT, None, Nothing()),
    ],
)
def test_who_pays(ending: Ending, received: Counts | None, due: object) -> None:
    assert who_pays(ending, received) == due


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_charge_never_exceeds_the_hold_and_loses_nothing_below_it(
    prompt: int, completion: int, held: int
) -> None:
    charged = within_hold(Counts(prompt, completion, 0, estimated=False), held)
    assert sum(charged) == min(prompt + completion, held)
    assert charged[0] <= prompt
    assert charged[1] <= completion


def test_accounts_take_turns_and_keep_their_own_order() -> None:
    queue: FairQueue[str] = FairQueue(slots=1, length_max=10)
    assert queue.enter("a", "a0") is Place.AT_ONCE
    for ticket in ("a1", "a2", "a3", "b1", "c1", "b2"):
        assert queue.enter(ticket[0], ticket) is Place.IN_QUEUE
    assert [queue.leave() for _ in range(7)] == ["a1", "b1", "c1", "a2", "b2", "a3", None]


def test_a_full_queue_takes_nobody_and_who_withdraws_makes_room() -> None:
    queue: FairQueue[str] = FairQueue(slots=1, length_max=1)
    queue.enter("a", "a0")
    queue.enter("a", "a1")
    assert queue.enter("b", "b0") is Place.NONE_LEFT
    assert queue.withdraw("a", "a1")
    assert not queue.withdraw("a", "a1")
    assert queue.enter("b", "b0") is Place.IN_QUEUE


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["enter", "leave", "withdraw"])), max_size=60)
)
def test_no_slot_is_lost_or_made(steps: list[tuple[str, str]]) -> None:
    queue: FairQueue[int] = FairQueue(slots=2, length_max=3)
    running: set[int] = set()
    waiting: dict[int, str] = {}
    for ticket, (account, step) in enumerate(steps):
        if step == "enter":
            place = queue.enter(account, ticket)
            if place is Place.AT_ONCE:
                running.add(ticket)
            if place is Place.IN_QUEUE:
                waiting[ticket] = account
        elif step == "leave" and running:
            running.pop()
            if (next_one := queue.leave()) is not None:
                del waiting[next_one]
                running.add(next_one)
        elif step == "withdraw" and waiting:
            withdrawn = min(waiting)
            assert queue.withdraw(waiting.pop(withdrawn), withdrawn)
        assert len(running) <= 2
        assert queue.length == len(waiting) <= 3
        assert not waiting or len(running) == 2


def refuse(status: int, message: str, **more: Any) -> Exception:
    return refusal_of(
        status, json.dumps({"error": {"code": status, "message": message} | more}).encode(), CALL
    )


def test_context_overflow_says_how_long_the_prompt_is() -> None:
    error = refuse(400, "too long", type="exceed_context_size_error", n_prompt_tokens=5007, n_ctx=2048)
    assert isinstance(error, ContextLengthExceeded)
    assert "5007" in error.message
    assert error.param == "messages"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "Expected 'messages' to be an array"),
        (500, "Failed to parse messages: Missing 'role' in message: {}"),
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
    ],
)
def test_a_users_mistake_is_a_400_even_when_the_upstream_calls_it_500(status: int, message: str) -> None:
    error = refuse(status, message)
    assert isinstance(error, InvalidRequest)
    assert error.message == message


def test_a_message_shown_names_no_path_address_or_library() -> None:
    error = refuse(
        400, "[json.exception.parse_error.101] bad thing in /srv/models/x.gguf at http://10.0.0.2:80/x"
    )
    assert isinstance(error, InvalidRequest)
    assert error.message == "bad thing in  at"


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (503, "Loading model", ModelLoading),
        (500, "Context size has been exceeded.", Overloaded),
        (429, "busy", Overloaded),
        (401, "Invalid API Key", UpstreamRefusesUs),
        (404, "File Not Found", UpstreamRefusesUs),
        (500, "out of memory at 0x7f", UpstreamFailed),
        (501, "not implemented", UpstreamFailed),
    ],
)
def test_every_other_refusal_has_its_kind_and_no_foreign_text(
    status: int, message: str, expected: type[Exception]
) -> None:
    error = refuse(status, message)
    assert type(error) is expected
    assert message not in str(error)


@pytest.mark.parametrize(("status", "message"), [(501, "not_supported"), (404, "File Not Found"), (405, "")])
def test_what_a_model_need_not_have_is_not_offered(status: int, message: str) -> None:
    body = json.dumps({"error": {"code": status, "message": message}}).encode()
    error = refusal_of(status, body, UpstreamCall("/v1/embeddings", b"{}", "input", "embeddings"))
    assert isinstance(error, NotOffered)
    assert "no embeddings" in error.message


def test_a_text_too_large_for_one_batch_is_the_clients_mistake() -> None:
    message = "input (702 tokens) is too large to process. increase the physical batch size (current batch size: 512)"
    assert isinstance(refuse(500, message), ContextLengthExceeded)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"text"}', b"[" * 100_000])
def test_an_unreadable_refusal_is_an_upstream_error(body: bytes) -> None:
    assert isinstance(refusal_of(500, body, CALL), UpstreamFailed)


def test_a_whole_answer_is_cleaned_and_counted() -> None:
    body: dict[str, Any] = {
        "choices": [{"message": {"content": 'é "usage":{"prompt_tokens":0} \ud800'}}],
        "model": "/srv/m.gguf",
        "usage": {"prompt_tokens": 13, "completion_tokens": 5},
        "timings": {"predicted_n": 5},
        "__verbose": {"prompt": "secret template"},
    }
    answer = read_whole_answer(json.dumps(body).encode())
    assert answer.counts == Counts(13, 5, 0, estimated=False)
    message = body["choices"][0]["message"] | {"refusal": None}
    choices = [{"message": message, "logprobs": None}]
    assert json.loads(answer.body) == {"choices": choices, "model": "m.gguf", "usage": body["usage"]}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"choices":{}}', b'{"error":{"message":"x"}}', b"[" * 100_000]
)
def test_what_is_no_answer_is_an_upstream_error(body: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        read_whole_answer(body)


@pytest.mark.parametrize("path", ["/models/a.gguf", "C:\\models\\a.gguf", "a.gguf", "/models/a.gguf/"])
def test_a_model_is_called_by_its_files_name(path: str) -> None:
    assert file_name(path) == "a.gguf"
