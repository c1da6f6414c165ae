"""Production as an operator starts it: everything healthy, a customer served, nothing open that should not be."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable

import httpx
import pytest

from tests.compose.story_urls import FROM_HOST, PRODUCTION, SECOND
from tests.support.compose_customer import Customer, register
from tests.support.compose_project import SERVICES, ComposeProject
from tests.support.wait_until import wait_until

STEPS = (
    "roles",
    "migrate-accounts",
    "migrate-metering",
    "migrate-billing",
    "migrate-notifier",
    "operator-schema",
)
HEALTHY_WITHIN_SECONDS = 240
BACK_WITHIN_SECONDS = 120


@pytest.fixture(scope="module")
def customer(production: ComposeProject) -> Customer:
    return register(production, PRODUCTION)


def test_every_step_has_ended_well_and_everything_else_is_healthy(
    production: ComposeProject, customer: Customer
) -> None:
    wait_until(lambda: all(_health(production)), HEALTHY_WITHIN_SECONDS)
    states = {
        each["Config"]["Labels"]["com.docker.compose.service"]: each["State"]
        for each in production.containers()
    }
    assert {name: states[name]["ExitCode"] for name in STEPS} == dict.fromkeys(STEPS, 0)
    assert {name for name, state in states.items() if state["Status"] != "running"} == set(STEPS)
    assert {name for name, state in states.items() if state.get("Health", {}).get("Status") == "healthy"} == {
        *SERVICES,
        *("db", "redis", "rabbitmq", "edge"),
    }


def test_a_whole_answer_costs_what_it_says(customer: Customer) -> None:
    before = customer.available()
    answer = customer.ask().json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
    wait_until(lambda: customer.available() == before - answer["usage"]["total_tokens"])


def test_a_stream_arrives_as_it_is_made_and_costs_what_it_says(customer: Customer) -> None:
    before = customer.available()
    events = list(customer.listen())
    said = "".join(choice["delta"].get("content") or "" for _, event in events for choice in event["choices"])
    assert "Paris" in said
    assert len({round(at, 3) for at, _ in events}) > 3, "all at once: something buffers"
    usage = next(event["usage"] for _, event in events if event.get("usage"))
    wait_until(lambda: customer.available() == before - usage["total_tokens"])


def test_people_and_the_operator_see_their_pages(production: ComposeProject, customer: Customer) -> None:
    dashboard = httpx.get(f"{PRODUCTION}/dashboard", params={"key": customer.key}, timeout=30)
    assert "<title>Dashboard" in dashboard.text
    key = production.settings["ADMIN_KEY"]
    panel = httpx.get(f"{PRODUCTION}/admin", params={"key": key}, timeout=30)
    assert panel.status_code == 200
    number = re.search(r'name="user_id" value="(\d+)"', panel.text)
    assert number is not None
    before = customer.available()
    given = httpx.post(
        f"{PRODUCTION}/admin/adjust", data={"key": key, "user_id": number[1], "delta": "1000"}, timeout=30
    )
    assert given.status_code == 200
    wait_until(lambda: customer.available() == before + 1000)


def test_a_client_is_who_the_hosts_nginx_says_and_only_then(production: ComposeProject) -> None:
    """The host's own connections come from the bridge's address, which production trusts (EDGE_TRUSTED_PROXIES)."""
    panel = {"key": production.settings["ADMIN_KEY"]}
    told = {"X-Forwarded-For": "203.0.113.9"}
    assert httpx.get(f"{PRODUCTION}/admin", params=panel, timeout=30).status_code == 200
    assert httpx.get(f"{PRODUCTION}/admin", params=panel, headers=told, timeout=30).status_code == 403


@pytest.mark.parametrize(
    "path", ["/internal/keys/refill", "/ready", "/metrics", "//internal/x", "/v1/../internal/x"]
)
def test_what_is_private_is_not_there(production: ComposeProject, path: str) -> None:
    for url in (PRODUCTION, SECOND):
        assert httpx.get(url + path, timeout=10).status_code == 404


def test_only_the_edge_and_the_database_page_are_published_each_at_its_addresses(
    production: ComposeProject,
) -> None:
    published = {
        each["Config"]["Labels"]["com.docker.compose.service"]: sorted(
            f"{where['HostIp']}:{where['HostPort']}"
            for hosts in each["HostConfig"]["PortBindings"].values()
            for where in hosts
        )
        for each in production.containers()
        if each["HostConfig"]["PortBindings"]
    }
    assert published == {"edge": [FROM_HOST, "127.0.0.2:8503"], "adminer": ["127.0.0.2:8504"]}
    assert httpx.get(f"{SECOND}/health", timeout=10).json() == {"status": "ok"}
    assert "Adminer" in httpx.get("http://127.0.0.2:8504/", timeout=30).text


def test_our_containers_are_nobody_special_and_write_nowhere(production: ComposeProject) -> None:
    for service in SERVICES:
        [container] = production.containers(service)
        assert container["Config"]["User"] == "promptly"
        assert container["HostConfig"]["ReadonlyRootfs"] is True
        status = production.run_in(service, "cat", "/proc/self/status")
        assert re.search(r"^Uid:\s+10001\b", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


def test_the_operator_has_views_and_the_disk_is_checked(production: ComposeProject) -> None:
    def ask(sql: str) -> str:
        return production.run_in("db", "psql", "-U", "gateway", "-d", "gateway", "-Atc", sql).strip()

    assert int(ask("SELECT count(*) FROM operator.users")) >= 1
    assert ask("SHOW data_checksums") == "on"


def test_no_key_is_in_any_log(production: ComposeProject, customer: Customer) -> None:
    httpx.get(f"{PRODUCTION}/checkout", params={"key": customer.key, "pack": "pro"}, timeout=30)
    assert customer.key not in production.compose("logs", "--no-color")


def test_what_is_missing_is_502_and_comes_back_by_itself(
    production: ComposeProject, customer: Customer
) -> None:
    production.compose("stop", "accounts", "billing")
    wait_until(lambda: _status("/register") == 502, BACK_WITHIN_SECONDS)
    assert "try again" in httpx.get(f"{PRODUCTION}/packs", timeout=30).text
    assert customer.ask().status_code == 200, "a known key needs neither"
    production.compose("start", "accounts", "billing")
    wait_until(lambda: _status("/register") == 200, BACK_WITHIN_SECONDS)


def test_an_api_that_is_missing_says_so_in_the_shape_of_openai(
    production: ComposeProject, customer: Customer
) -> None:
    production.compose("stop", "gateway")
    wait_until(lambda: _status("/v1/models") == 502, BACK_WITHIN_SECONDS)
    refused = httpx.get(f"{PRODUCTION}/v1/models", timeout=30)
    assert refused.json()["error"]["code"] == "upstream_error"
    assert refused.headers["x-request-id"]
    production.compose("start", "gateway")
    wait_until(lambda: customer.ask().status_code == 200, BACK_WITHIN_SECONDS)


def test_the_commands_of_make_work_in_containers(production: ComposeProject, customer: Customer) -> None:
    key = local(production, "key", "grace@example.com").strip()
    assert Customer(PRODUCTION, key).ask_until_answered().status_code == 200
    assert "gateway" in local(production, "status")
    assert "The system is up: http://127.0.0.1:8503" in local(production, "up")


def test_the_books_are_right(production: ComposeProject) -> None:
    assert "No difference" in local(production, "audit")


def local(project: ComposeProject, *arguments: str) -> str:
    """`STACK=compose make ...`, without the installation."""
    command = [sys.executable, "-m", "deploy.local", *arguments]
    environment = {**os.environ, "STACK": "compose"}
    done = subprocess.run(
        command, cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _health(project: ComposeProject) -> Iterable[bool]:
    states = [each["State"] for each in project.containers()]
    return [state["Health"]["Status"] == "healthy" for state in states if "Health" in state]


def _status(path: str) -> int:
    return httpx.get(PRODUCTION + path, timeout=30).status_code
