"""Which forms come from a page of ours."""

import pytest
from starlette.requests import Request

from shared.http.own_page import is_from_our_page


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"origin": "https://promptly.test"}, True),
        ({"origin": "https://Promptly.test"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, False),
        ({"origin": "null"}, False),
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"origin": "https://evil.test"}, False),
        ({"origin": "https://promptly.test.evil.test"}, False),
        ({"origin": "https://promptly.test:444"}, False),
        ({"origin": "https://[promptly.test"}, False),
        ({"origin": "promptly.test"}, False),
    ],
)
def test_a_form_is_ours_by_its_origin(headers: dict[str, str], is_ours: bool) -> None:
    sent = {"host": "promptly.test", **headers}
    scope = {"type": "http", "headers": [(name.encode(), value.encode()) for name, value in sent.items()]}
    assert is_from_our_page(Request(scope)) is is_ours
