"""The sample for the host's nginx, run as it is apart from names, ports and folders."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local import probes, processes
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program
from services.gateway.entrypoints.http import BODY_BYTES_MAX
from tests.support.echo_server import echo_server

SAMPLE = Path(__file__).parents[1] / "host.conf.example"
MAIN = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/host.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Host:
    http: int
    https: int
    folder: Path

    def curl(self, path: str, *options: str) -> str:
        url = f"https://127.0.0.1:{self.https}{path}"
        asked = ["curl", "--silent", "--insecure", "--http2", "--include", "--max-time", "20", *options, url]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    folder = tmp_path_factory.mktemp("host")
    make_certificate(folder)
    with echo_server("edge") as edge:
        host = Host(free_port(), free_port(), folder)
        (folder / "host.conf").write_text(here(SAMPLE.read_text(), host, edge))
        # As root its workers must stay root: only root may enter this folder.
        user = "user root;" if folder.owner() == "root" else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
        arguments = ("-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf")
        child = processes.start(spec(host, arguments), marker=folder)
        try:
            processes.wait_ready(child)
            yield host
        finally:
            child.stop()


def test_it_speaks_http_2_and_promises_to_stay_with_https(host: Host) -> None:
    said = host.curl("/v1/models")
    assert said.startswith("HTTP/2 200")
    assert "strict-transport-security: max-age=31536000" in said


def test_the_edge_is_told_who_asks_and_how(host: Host) -> None:
    said = host.curl("/v1/models", "--header", "X-Forwarded-For: 100.64.0.1")
    assert '"x-forwarded-for": "127.0.0.1"' in said
    assert '"x-forwarded-proto": "https"' in said


def test_what_the_edge_takes_passes(host: Host) -> None:
    body = host.folder / "body.bin"
    body.write_bytes(bytes(BODY_BYTES_MAX))
    assert f'"length": {BODY_BYTES_MAX}' in host.curl("/v1/chat/completions", "--data-binary", f"@{body}")


def test_plain_http_leads_to_https_with_the_method_kept(host: Host) -> None:
    asked = ["curl", "--silent", "--include", f"http://127.0.0.1:{host.http}/register?a=b"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said.startswith("HTTP/1.1 308")
    assert "https://127.0.0.1/register?a=b" in said


def test_no_log_has_a_key(host: Host) -> None:
    host.curl("/dashboard?key=sk-SECRET")
    logs = [path.read_text() for path in host.folder.glob("*.log")]
    assert any("/dashboard" in log for log in logs)
    assert not any("SECRET" in log for log in logs)


def here(sample: str, host: Host, edge: int) -> str:
    folder = host.folder
    for old, new in {
        r"listen \[::\]:.*\n": "",
        r"listen 80;": f"listen 127.0.0.1:{host.http};",
        r"listen 443 ": f"listen 127.0.0.1:{host.https} ",
        r"127\.0\.0\.1:8503": f"127.0.0.1:{edge}",
        r"/etc/letsencrypt/live/promptlyapi\.com": str(folder),
        r"/var/log/nginx/promptly\.log": f"{folder}/access.log",
    }.items():
        sample, changed = re.subn(old, new, sample)
        assert changed, old
    return sample


def spec(host: Host, arguments: tuple[str, ...]) -> ProcessSpec:
    return ProcessSpec(
        name="nginx",
        argv=(str(get_program("nginx", server="nginx")), *arguments),
        folder=host.folder,
        log=host.folder / "nginx.log",
        is_ready=lambda: probes.accepts(host.https),
        port=host.https,
    )


def make_certificate(folder: Path) -> None:
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=promptlyapi.com",
    ]
    made += ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(made, capture_output=True, check=True)
