"""A label is a route of the code, whatever was asked for."""

import pytest
from starlette.types import Scope

from shared.http.measure import method_of, route_of


def matched(path: str, **parts: object) -> Scope:
    return {"type": "http", "path": path, "state": {}, "endpoint": object(), **parts}


@pytest.mark.parametrize(
    ("scope", "route"),
    [
        (matched("/register"), "/register"),
        (matched("/keys/k-1/revoke", path_params={"key_id": "k-1"}), "/keys/{key_id}/revoke"),
        (matched("/users/42", path_params={"user_id": 42}), "/users/{user_id}"),
        (matched("/files/a/b", path_params={"path": "a/b"}), "other"),
        (matched("/static/../../etc", root_path="/static"), "/static/"),
        (matched("/v1/x?y", state={"route": "/v1/usage/"}), "/v1/usage/"),
        ({"type": "http", "path": "/wp-admin/ada@example.com", "state": {}}, "other"),
    ],
)
def test_a_route_is_named_as_in_the_code(scope: Scope, route: str) -> None:
    assert route_of(scope) == route


def test_a_method_that_nobody_knows_is_another() -> None:
    assert [method_of({"method": method}) for method in ("GET", "BREW")] == ["GET", "other"]
