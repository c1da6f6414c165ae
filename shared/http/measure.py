"""Requests by route and status, and how long they took: a few increments per request, none per chunk.

A route is written as in the code (`/v1/usage/{request_id}`), never as it was asked for.
"""

from collections.abc import Mapping

from starlette.types import Scope

from shared.durations import Durations
from shared.tallies import Tallies

OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ROUTE = "route"
"""In `scope["state"]`: the name of what serves it, where the framework does not know it."""

REQUESTS = Tallies(
    "promptly_http_requests",
    "Requests that have ended, also by a client that left. Status 0: nothing was answered.",
    ("method", "route", "status"),
)
SECONDS = Durations(
    "promptly_http_request_seconds",
    "From a request's head to the end of its answer, a stream's end included.",
    label="route",
    bounds=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0),
)


def route_of(scope: Scope) -> str:
    """One of those that exist in the code, or OTHER."""
    named = scope["state"].get(ROUTE) or getattr(scope.get("route"), "path", None)
    if named or "endpoint" not in scope:
        return named or OTHER
    if scope.get("root_path"):
        return f"{scope['root_path']}/"
    return _as_template(scope["path"], scope.get("path_params", {}))


def _as_template(path: str, parameters: Mapping[str, object]) -> str:
    """For routes that the framework does not name: their parameters' values are theirs again, `{key_id}`."""
    names = {str(value): f"{{{name}}}" for name, value in parameters.items()}
    segments = path.split("/")
    if not names.keys() <= set(segments):
        return OTHER
    return "/".join(names.get(segment, segment) for segment in segments)


def method_of(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in METHODS else OTHER


def count(method: str, route: str, status: int, seconds: float) -> None:
    REQUESTS.of(method, route, status).add()
    SECONDS.of(route).observe(seconds)
