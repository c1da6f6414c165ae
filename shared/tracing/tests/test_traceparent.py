"""A request's id says where in which trace a span about it belongs."""

import pytest

from shared.ids import new_request_id
from shared.tracing.traceparent import of_request, parse

REQUEST = "019a3f6e-7b1a-7c3d-8e2f-0123456789ab"
WRITTEN = "00-019a3f6e7b1a7c3d8e2f0123456789ab-8e2f0123456789ab-01"


def test_the_trace_has_the_requests_id_and_its_first_span_the_end_of_it() -> None:
    assert str(of_request(REQUEST)) == WRITTEN


def test_what_is_written_is_read_again() -> None:
    assert parse(WRITTEN) == of_request(REQUEST)


def test_every_request_has_a_place() -> None:
    assert all(of_request(new_request_id()) for _ in range(100))


@pytest.mark.parametrize("text", [None, "", "-" * 36, "r-1", "you@example.com", REQUEST.upper()])
def test_what_is_no_request_id_has_none(text: str | None) -> None:
    assert of_request(text) is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        WRITTEN[:-1],
        WRITTEN + "-00",
        "ff" + WRITTEN[2:],
        f"00-{'0' * 32}-8e2f0123456789ab-01",
        f"00-019a3f6e7b1a7c3d8e2f0123456789ab-{'0' * 16}-01",
    ],
)
def test_what_is_no_traceparent_is_none(text: str | None) -> None:
    assert parse(text) is None
