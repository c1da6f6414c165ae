"""What the edge says itself: in the shape of OpenAI under /v1, a sentence to people."""

import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from deploy.local.ports import free_port
from services.gateway.entrypoints.http import BODY_BYTES_MAX
from tests.support.echo_server import echo_server
from tests.support.edge import SERVERS, Edge, run_edge


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with echo_server("gateway") as port:
        at = dict.fromkeys(SERVERS, f"127.0.0.1:{port}")
        yield from run_edge(tmp_path_factory.mktemp("edge"), at, mail_port=None)


@pytest.fixture(scope="module")
def lonely_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Nothing behind it runs."""
    at = {name: f"127.0.0.1:{free_port()}" for name in SERVERS}
    yield from run_edge(tmp_path_factory.mktemp("lonely"), at, mail_port=None)


@pytest.fixture(scope="module")
def impatient_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """What is behind it takes requests and says nothing, and it waits a second where it waits minutes otherwise."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at = dict.fromkeys(SERVERS, f"127.0.0.1:{silent.getsockname()[1]}")
        yield from run_edge(tmp_path_factory.mktemp("impatient"), at, mail_port=None, change=_wait_a_second)


def _wait_a_second(configuration: str) -> str:
    assert "proxy_read_timeout 660s" in configuration
    return "proxy_read_timeout 1s;\n" + re.sub(r" +proxy_read_timeout \w+;", "", configuration)


def test_a_body_of_the_gateways_own_bound_passes_and_more_is_413_in_the_shape_of_openai(edge: Edge) -> None:
    passed = httpx.post(f"{edge.url}/v1/chat/completions", content=bytes(BODY_BYTES_MAX), timeout=30)
    assert passed.json()["length"] == BODY_BYTES_MAX
    refused = httpx.post(f"{edge.url}/v1/chat/completions", content=bytes(BODY_BYTES_MAX + 1), timeout=30)
    assert_openai_error(refused, 413, "request_too_large")
    assert f"{BODY_BYTES_MAX >> 20} MB" in refused.json()["error"]["message"]


def test_a_too_long_address_is_414_in_the_shape_of_openai(edge: Edge) -> None:
    assert_openai_error(edge.get("/v1/" + "a" * 40_000), 414, "uri_too_long")


def test_too_large_headers_are_400_in_the_shape_of_openai(edge: Edge) -> None:
    assert_openai_error(edge.get("/v1/models", **{"X-Large": "a" * 40_000}), 400, "bad_request")


def test_a_gateway_that_is_down_is_502_in_the_shape_of_openai(lonely_edge: Edge) -> None:
    assert_openai_error(lonely_edge.get("/v1/models"), 502, "upstream_error")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_gateway_that_hangs_is_504_in_the_shape_of_openai(impatient_edge: Edge, method: str) -> None:
    reply = httpx.request(method, f"{impatient_edge.url}/v1/chat/completions", timeout=10)
    assert_openai_error(reply, 504, "upstream_timeout")


def test_a_page_that_hangs_is_504_with_a_sentence(impatient_edge: Edge) -> None:
    reply = impatient_edge.get("/dashboard")
    assert (reply.status_code, reply.text) == (
        504,
        "This page took too long to answer. Please try again.\n",
    )
    assert reply.headers["x-request-id"]


def test_a_page_that_calls_the_api_can_read_what_the_edge_says(lonely_edge: Edge) -> None:
    refused = lonely_edge.get("/v1/models", Origin="https://app.example.com")
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in lonely_edge.get("/v1/models").headers


def test_people_get_a_sentence_instead(lonely_edge: Edge) -> None:
    reply = lonely_edge.get("/dashboard")
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/plain")
    assert "try again" in reply.text


def assert_openai_error(reply: httpx.Response, status: int, code: str) -> None:
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    error = reply.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
