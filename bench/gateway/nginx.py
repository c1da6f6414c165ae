"""nginx twice: as the stand-in of whole answers, for nothing else here is fast enough, and as the bare proxy that
everybody is measured against."""

import os
import sys
from pathlib import Path

from bench.gateway import answers
from deploy.local import probes
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program

MAIN = """\
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    {temporary}
    {servers}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
PROXY = """\
    upstream u{port} {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 1000000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://u{port};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 660s;
        }}
    }}
"""

KEEPS = 'add_header Keep-Alive "timeout=5, max=1000000";'
"""As llama-server announces it on whole answers (with max=100): who reuses connections may go by it."""


def prepare_stand_in(folder: Path, *, port: int) -> ProcessSpec:
    """Whole answers and what a gateway asks at its start."""
    said = {"/v1/chat/completions": answers.whole(), **answers.PLAIN}
    locations = "\n".join(
        f"location = {path} {{ return 200 '{body.decode()}'; }}" for path, body in said.items()
    )
    server = f"server {{ listen 127.0.0.1:{port} backlog=4096; default_type application/json; {KEEPS} {locations} }}"
    return _prepare(folder, "stand-in", port, server)


def prepare_proxy(folder: Path, *, port: int, upstream_port: int) -> ProcessSpec:
    return _prepare(folder, "nginx", port, PROXY.format(port=port, upstream=upstream_port))


def prepare_streaming_stand_in(folder: Path, root: Path, *, port: int) -> ProcessSpec:
    return ProcessSpec(
        name="streaming-stand-in",
        argv=(sys.executable, "-m", "bench.gateway.stand_in", str(port)),
        folder=root,
        log=folder / "streaming-stand-in.log",
        is_ready=lambda: probes.http_answers(port, "/health"),
        port=port,
    )


def _prepare(folder: Path, name: str, port: int, servers: str) -> ProcessSpec:
    own = folder / f"{name}-{port}"
    for path in (own, *(own / f"{kind}_temp" for kind in TEMPORARY)):
        path.mkdir(parents=True)
    temporary = "\n    ".join(f"{kind}_temp_path {own}/{kind}_temp;" for kind in TEMPORARY)
    user = "user root;" if os.geteuid() == 0 else ""
    config = own / "nginx.conf"
    config.write_text(MAIN.format(folder=own, user=user, temporary=temporary, servers=servers))
    program = str(get_program("nginx", server="nginx"))
    return ProcessSpec(
        name=name,
        argv=(program, "-p", str(own), "-e", str(own / "error.log"), "-c", str(config)),
        folder=own,
        log=own / "out.log",
        is_ready=lambda: probes.accepts(port),
        port=port,
    )
