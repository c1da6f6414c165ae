"""The edge, as a real nginx in front of servers that say what reached them."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.failures import LocalFailure
from deploy.local.ports import free_port
from tests.support.echo_server import echo_server
from tests.support.edge import ADDRESSES, SERVERS, Edge, run_edge
from tests.support.wait_until import wait_until


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with ExitStack() as behind:
        at = {
            f"{name.upper()}_SERVER": f"127.0.0.1:{behind.enter_context(echo_server(name))}"
            for name in ("gateway", "accounts", "billing")
        }
        mail_port = behind.enter_context(echo_server("mail"))
        yield from run_edge(tmp_path_factory.mktemp("edge"), at, mail_port=mail_port)


@pytest.fixture(scope="module")
def lonely_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Nothing behind it runs."""
    at = {name: f"127.0.0.1:{free_port()}" for name in SERVERS}
    yield from run_edge(tmp_path_factory.mktemp("lonely"), at, mail_port=None)


@pytest.mark.parametrize(
    ("path", "server"),
    [
        ("/v1/chat/completions", "gateway"),
        ("/v1/no-such-thing", "gateway"),
        ("/v1", "gateway"),
        ("/health", "gateway"),
        ("/openapi.json", "gateway"),
        ("/.well-known/promptly-receipts.pem", "gateway"),
        ("/checkout?pack=pro", "billing"),
        ("/packs", "billing"),
        ("/purchases/019a3f6e-0000-7000-8000-0000000000aa", "billing"),
        ("/purchases.csv", "billing"),
        ("/stripe/webhook", "billing"),
        ("/btcpay/webhook", "billing"),
        ("/", "accounts"),
        ("/register", "accounts"),
        ("/dashboard", "accounts"),
        ("/admin", "accounts"),
        ("/admin/grant", "accounts"),
        ("/AGENTS.md", "accounts"),
        ("/readiness-of-a-page", "accounts"),
        ("/local/mail", "mail"),
    ],
)
def test_each_path_reaches_its_service(edge: Edge, path: str, server: str) -> None:
    assert edge.seen(path)["server"] == server


@pytest.mark.parametrize(
    "path",
    [
        "/internal/keys/refill",
        "/internal",
        "//internal/x",
        "/%69nternal/x",
        "/INTERNAL/x",
        "/v1/../internal/x",
        "/ready",
        "/metrics",
    ],
)
def test_what_is_private_is_not_there(edge: Edge, path: str) -> None:
    assert edge.get(path).status_code == 404


def test_a_claimed_client_address_is_overwritten(edge: Edge) -> None:
    seen = edge.seen("/v1/models", **{"X-Forwarded-For": "100.64.0.1", "X-Forwarded-Proto": "https"})
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"


def test_a_trusted_proxy_in_front_is_believed_and_recorded(tmp_path: Path) -> None:
    with echo_server("gateway") as port:
        at = {f"{name}_SERVER": f"127.0.0.1:{port}" for name in ("GATEWAY", "ACCOUNTS", "BILLING")}
        for edge in run_edge(tmp_path, at, mail_port=None, trusted="10.0.0.0/8, 127.0.0.1"):
            seen = edge.seen("/v1/models", **{"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    assert seen["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "https"


def test_a_second_address_serves_the_same(edge: Edge) -> None:
    assert httpx.get(f"{edge.url.replace(*ADDRESSES)}/health").json()["server"] == "gateway"


def test_the_host_arrives_with_its_port(edge: Edge) -> None:
    assert edge.seen("/register")["headers"]["host"] == edge.url.removeprefix("http://")


@pytest.mark.parametrize(
    "query",
    [
        "key=sk-SECRET",
        "a=b&key=sk-SECRET",
        "KEY=sk-SECRET",
        "%6bey=sk-SECRET",
        "k%65y=sk-SECRET&a=b",
        "token=SECRET",
        "q=SECRET@example.com",
        "q=part.of.an.address.SECRET",
        "sort=email&q=sk-SECRET",
        "page=sk-SECRET",
    ],
)
def test_no_log_holds_a_key_a_links_token_or_an_address(edge: Edge, lonely_edge: Edge, query: str) -> None:
    for each in (edge, lonely_edge):
        for path in ("/dashboard", "/admin", "/checkout", "/"):
            each.get(f"{path}?{query}", Referer=f"{each.url}/dashboard?{query}")
        wait_until(lambda each=each: len(read_log(each)) >= 4)  # type: ignore[misc]
        assert "SECRET" not in "".join(path.read_text() for path in each.logs.iterdir())


def test_the_access_log_has_a_line_of_json_per_request(edge: Edge) -> None:
    edge.get("/register?pack=pro")
    wait_until(lambda: any(line["path"] == "/register?pack=pro" for line in read_log(edge)))


@pytest.mark.parametrize("path", ["/dashboard", "/checkout", "/v1/models"])
def test_nothing_may_be_framed_or_sniffed(edge: Edge, path: str) -> None:
    headers = edge.get(path).headers
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "strict-transport-security" not in headers, "plain HTTP promises nothing of HTTPS"


def test_a_replica_that_takes_no_connection_costs_nothing(tmp_path: Path) -> None:
    with echo_server("gateway") as port:
        replicas = f"127.0.0.1:{free_port()}; server 127.0.0.1:{port}"
        at = {
            "GATEWAY_SERVER": replicas,
            "ACCOUNTS_SERVER": f"127.0.0.1:{port}",
            "BILLING_SERVER": f"127.0.0.1:{port}",
        }
        for edge in run_edge(tmp_path, at, mail_port=None):
            sent = [
                httpx.post(f"{edge.url}/v1/chat/completions", content=b"{}", timeout=30) for _ in range(4)
            ]
    assert [reply.status_code for reply in sent] == [200] * 4


def test_a_configuration_that_nginx_refuses_is_one_sentence(tmp_path: Path) -> None:
    at = {f"{name}_SERVER": "not a server;" for name in ("GATEWAY", "ACCOUNTS", "BILLING")}
    with pytest.raises(LocalFailure, match="nginx refuses its configuration"):
        next(run_edge(tmp_path, at, mail_port=None))


def read_log(edge: Edge) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (edge.logs / "access.log").read_text().splitlines()]
