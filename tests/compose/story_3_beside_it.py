"""Staging beside production on one host, each part of the system alone, and the edge's own TLS."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_port
from deploy.local.settings import ROOT
from tests.compose.story_urls import PRODUCTION, STAGING
from tests.support.compose_customer import register
from tests.support.compose_project import ComposeProject, check_out
from tests.support.wait_until import wait_until

MISSING = {
    "gateway": "redis",
    "accounts": "postgres",
    "metering": "postgres",
    "billing": "postgres",
    "notifier": "postgres",
}
OTHERS = {
    "gateway": ("asyncpg", "stripe", "jinja2", "aiosmtplib", "nacl"),
    "accounts": ("stripe", "aiosmtplib"),
    "metering": ("stripe", "jinja2", "aiosmtplib"),
    "billing": ("redis", "aiosmtplib", "nacl"),
    "notifier": ("stripe", "redis"),
}
"""What other services need, and this one must not carry."""
FOREIGN = """
import importlib.util, pathlib, sys
print(sorted(name for name in sys.argv[1:] if importlib.util.find_spec(name)))
print(sorted(each.name for each in pathlib.Path('services').iterdir() if each.is_dir() and each.name != '__pycache__'))
print(sorted(str(each) for each in pathlib.Path('.').rglob('tests')))
"""
WITHIN_SECONDS = 120


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposeProject]:
    """A checkout with an .env, in which nothing runs."""
    settings = {
        "LLAMA_BASE_URL": "http://127.0.0.1:9",
        "ADMINER_BIND_HOST": "127.0.0.1",
        "ADMINER_PORT": str(free_port()),
    }
    ports = {"GATEWAY_PORT": str(free_port()), "TAILNET_BIND": ""}
    project = check_out(tmp_path_factory.mktemp("alone") / "alone", "staging", {**settings, **ports})
    yield project
    project.end()


@pytest.mark.parametrize("service", MISSING)
def test_a_service_alone_is_healthy_and_names_what_is_missing(alone: ComposeProject, service: str) -> None:
    part = ("-f", f"deploy/compose/{service}.yml")
    alone.compose(*part, "up", "--build", "--detach")
    try:
        wait_until(lambda: '"ok"' in alone.get(service, "/health"), WITHIN_SECONDS)
        wait_until(lambda: f'"{MISSING[service]}"' in alone.get(service, "/ready"), WITHIN_SECONDS)
        foreign, services, tests = alone.run_in_part(
            service, "python3", "-c", FOREIGN, *OTHERS[service]
        ).splitlines()
        assert (foreign, services, tests) == ("[]", f"['{service}']", "[]")
    finally:
        alone.compose(*part, "down", "--timeout", "5")


def test_every_part_reads_well_also_those_whose_images_are_not_here(alone: ComposeProject) -> None:
    services = alone.compose("--profile", "*", "config", "--services").split()
    assert {"mailpit", "btcpay", "nbxplorer", "bitcoind", "edge-tls"} <= set(services)


def test_a_secret_that_is_missing_stops_the_start_with_the_remedy(alone: ComposeProject) -> None:
    with pytest.raises(AssertionError, match=r"run `make env` to write \.env with fresh secrets"):
        alone.compose("config", "--quiet", INTERNAL_TOKEN="")


def test_the_sample_for_the_hosts_nginx_is_read_by_the_image_too(
    alone: ComposeProject, tmp_path: Path
) -> None:
    make_certificate(tmp_path)
    sample = ROOT / "deploy" / "nginx" / "host.conf.example"
    mounts = (
        f"{sample}:/etc/nginx/conf.d/host.conf:ro",
        f"{tmp_path}:/etc/letsencrypt/live/promptlyapi.com:ro",
    )
    mounted = [word for mount in mounts for word in ("--volume", mount)]
    checked = subprocess.run(
        ["docker", "run", "--rm", "--entrypoint", "nginx", *mounted, "nginx:1.28", "-t"],
        capture_output=True,
        text=True,
    )
    assert "test is successful" in checked.stderr, checked.stderr


def test_the_servers_alone_come_up_with_their_roles(alone: ComposeProject) -> None:
    part = ("-f", "deploy/compose/data.yml")
    alone.compose("up", "--detach", "db")
    alone.compose(*part, "up", "--build", "--detach")
    try:
        roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE '%\\_owner' AND rolname NOT LIKE 'pg\\_%'"
        ask = ("exec", "-T", "db", "psql", "-U", "gateway", "-d", "gateway", "-Atc", roles)
        wait_until(lambda: alone.compose(*part, *ask).strip() == "4", WITHIN_SECONDS)
        config = alone.compose(*part, "exec", "-T", "redis", "redis-cli", "config", "get", "appendonly")
        assert config.split() == ["appendonly", "yes"]
    finally:
        alone.compose(*part, "down", "--volumes", "--timeout", "5")


def test_the_edge_alone_says_502_until_its_services_come(alone: ComposeProject) -> None:
    part = ("-f", "deploy/compose/edge.yml")
    alone.compose(*part, "up", "--build", "--detach")
    try:
        url = f"http://127.0.0.1:{alone.settings['GATEWAY_PORT']}"
        wait_until(lambda: status(f"{url}/v1/models") == 502, WITHIN_SECONDS)
    finally:
        alone.compose(*part, "down", "--timeout", "5")


def test_the_edges_own_tls_leads_there_answers_challenges_and_follows_the_certificate(
    alone: ComposeProject, tmp_path: Path
) -> None:
    https, http = free_port(), free_port()
    places = {
        "TLS_FOLDER": str(tmp_path / "tls"),
        "ACME_FOLDER": str(tmp_path / "acme"),
        "TLS_BIND": "127.0.0.1",
    }
    settings = {**places, "HTTPS_PORT": str(https), "HTTP_PORT": str(http), "TLS_NAME": "promptly.test"}
    challenge = tmp_path / "acme" / ".well-known" / "acme-challenge" / "token"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("answer")
    part = ("-f", "deploy/compose/edge.yml", "--profile", "tls")
    alone.compose(*part, "up", "--build", "--detach", "edge-tls", **settings)
    try:
        wait_until(lambda: status(f"http://127.0.0.1:{http}/") == 308, WITHIN_SECONDS)
        led = httpx.get(f"http://127.0.0.1:{http}/dashboard?a=b")
        assert led.headers["location"] == f"https://127.0.0.1:{https}/dashboard?a=b"
        assert httpx.get(f"http://127.0.0.1:{http}/.well-known/acme-challenge/token").text == "answer"
        first = certificate_at(https)
        spoken = curl(f"https://127.0.0.1:{https}/v1/models")
        assert spoken.startswith("HTTP/2 502")
        assert "strict-transport-security: max-age=31536000" in spoken
        make_certificate(tmp_path / "tls")
        wait_until(lambda: certificate_at(https) != first, WITHIN_SECONDS)
    finally:
        alone.compose(*part, "down", "--timeout", "5", **settings)


def test_staging_and_production_share_a_host_and_nothing_else(
    production: ComposeProject, staging: ComposeProject
) -> None:
    wait_until(lambda: status(f"{STAGING}/register") == 200, WITHIN_SECONDS)
    tester = register(staging, STAGING)
    assert tester.ask_until_answered().status_code == 200
    assert status(f"{PRODUCTION}/health") == status("http://127.0.0.2:8505/health") == 200
    refused = httpx.get(f"{PRODUCTION}/v1/balance", headers=tester.headers, timeout=30)
    assert refused.status_code == 401
    assert "Adminer" in httpx.get("http://127.0.0.2:8506/", timeout=30).text
    volumes = [
        {
            mount["Name"]
            for each in place.containers()
            for mount in each["Mounts"]
            if mount["Type"] == "volume"
        }
        for place in (production, staging)
    ]
    assert volumes[0] & volumes[1] == set()


def status(url: str) -> int:
    """0 while nothing answers."""
    try:
        return httpx.get(url, timeout=10).status_code
    except httpx.TransportError:
        return 0


def certificate_at(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port))


def curl(url: str) -> str:
    asked = ["curl", "--silent", "--insecure", "--http2", "--include", "--max-time", "20", url]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def make_certificate(folder: Path) -> None:
    """As a renewal puts it there, readable by the edge's user."""
    folder.chmod(0o755)
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-noenc",
        "-days",
        "1",
        "-subj",
        "/CN=promptly.test",
    ]
    made += ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(made, capture_output=True, check=True)
    (folder / "privkey.pem").chmod(0o644)
