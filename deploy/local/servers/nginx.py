"""The edge: nginx on the public port, from the same template that the containers use."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local import probes
from deploy.local.failures import LocalFailure
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program
from deploy.local.settings import reachable

TEMPLATE = Path(__file__).parents[2] / "nginx" / "promptly.conf.template"
PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")
# nginx wants a folder for each kind of temporary file, also for kinds that are not used.
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
MAIN = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {logs}/nginx-error.log warn;
{user}
events {{ worker_connections 4096; }}
http {{
    {temporary}
    include {folder}/promptly.conf;
}}
"""
LOCAL_PAGE = """\
location {path} {{
    allow 127.0.0.0/8;
    allow ::1;
    deny all;
    error_log /dev/null crit;
    proxy_pass http://127.0.0.1:{port};
}}
"""


def render(template: str, values: Mapping[str, str]) -> str:
    """Every name in capitals must have a value; nginx's own variables are not touched."""
    return PLACEHOLDER.sub(lambda match: values[match[1]], template)


def trusted_proxies(networks: str) -> str:
    """EDGE_TRUSTED_PROXIES, a comma list, as lines of nginx's geo block."""
    return " ".join(f"{network.strip()} 1;" for network in networks.split(",") if network.strip())


def prepare(
    folder: Path,
    logs: Path,
    *,
    addresses: Sequence[str],
    port: int,
    values: Mapping[str, str],
    mail_port: int | None,
    pay_port: int | None = None,
) -> ProcessSpec:
    """`values` fills the template apart from what is private to this folder. Raises LocalFailure when
    nginx refuses the result."""
    listen = " ".join(f"listen {address}:{port};" for address in addresses)
    local_pages = {"/local/mail": mail_port, "/local/pay": pay_port}
    _write_configuration(folder, logs, listen=listen, values=values, local_pages=local_pages)
    program = str(get_program("nginx", server="nginx"))
    arguments = ("-p", str(folder), "-e", str(logs / "nginx-error.log"), "-c", str(folder / "nginx.conf"))
    _check(program, arguments)
    return ProcessSpec(
        name="nginx",
        argv=(program, *arguments),
        folder=folder,
        log=logs / "nginx.log",
        is_ready=lambda: probes.accepts(port, reachable(addresses[0])),
        port=port,
        stop_signal=signal.SIGTERM,
        stop_seconds=5,
    )


def _write_configuration(
    folder: Path,
    logs: Path,
    *,
    listen: str,
    values: Mapping[str, str],
    local_pages: Mapping[str, int | None],
) -> None:
    extra = folder / "extra"
    for path in (extra, logs, *(folder / f"{kind}_temp" for kind in TEMPORARY)):
        path.mkdir(parents=True, exist_ok=True)
    own = {"LISTEN": listen, "LOG_FOLDER": str(logs), "EXTRA_LOCATIONS": str(extra)}
    (folder / "promptly.conf").write_text(render(TEMPLATE.read_text(), {**values, **own}))
    pages = [LOCAL_PAGE.format(path=path, port=port) for path, port in local_pages.items() if port]
    (extra / "mail.conf").write_text("".join(pages))
    temporary = "\n    ".join(f"{kind}_temp_path {folder}/{kind}_temp;" for kind in TEMPORARY)
    # Where only root may enter, a worker of another user could not reach its own files.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, logs=logs, temporary=temporary, user=user))


def _check(program: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run([program, "-t", "-q", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalFailure(f"nginx refuses its configuration: {done.stderr.strip().splitlines()[0]}")
