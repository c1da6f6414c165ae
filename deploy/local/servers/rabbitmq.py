"""A private RabbitMQ: its own node name, ports, cookie and folders, so that several run side by side.

The Erlang port mapper is a child of its own: left to itself, RabbitMQ starts one that outlives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deploy.local import probes
from deploy.local.processes import ProcessSpec
from deploy.local.programs import get_program, get_rabbitmq

USER = "promptly"
# Idle Erlang schedulers spin by default, which starves the services on a small machine.
QUIET_SCHEDULERS = "+sbwt none +sbwtdcpu none +sbwtdio none"


@dataclass(frozen=True, slots=True)
class RabbitPorts:
    amqp: int
    distribution: int
    port_mapper: int


def url(port: int, password: str) -> str:
    return f"amqp://{USER}:{quote(password, safe='')}@127.0.0.1:{port}/"


def prepare(folder: Path, *, ports: RabbitPorts, password: str) -> tuple[ProcessSpec, ProcessSpec]:
    """The port mapper and the broker, to be started in this order (no waiting between is needed)."""
    for name in ("home", "data", "log"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "plugins").write_text("[].\n")
    config = folder / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text(_configuration(ports, password))
    return _port_mapper(folder, ports), _broker(folder, ports, password)


def _port_mapper(folder: Path, ports: RabbitPorts) -> ProcessSpec:
    return ProcessSpec(
        name="rabbitmq-epmd",
        argv=(
            str(get_program("epmd", server="RabbitMQ")),
            "-port",
            str(ports.port_mapper),
            "-address",
            "127.0.0.1",
        ),
        folder=folder,
        log=folder.parent / "log" / "rabbitmq-epmd.log",
        is_ready=lambda: probes.accepts(ports.port_mapper),
        port=ports.port_mapper,
    )


def _broker(folder: Path, ports: RabbitPorts, password: str) -> ProcessSpec:
    return ProcessSpec(
        name="rabbitmq",
        argv=(str(get_rabbitmq()),),
        folder=folder,
        log=folder.parent / "log" / "rabbitmq.log",
        is_ready=lambda: probes.rabbitmq_answers(url(ports.amqp, password)),
        port=ports.amqp,
        environment=environment(folder, ports),
        stop_seconds=20,
        start_seconds=120,
    )


def environment(folder: Path, ports: RabbitPorts) -> Mapping[str, str]:
    return {
        "HOME": str(folder / "home"),  # holds the cookie
        "RABBITMQ_NODENAME": "promptly@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports.amqp),
        "RABBITMQ_DIST_PORT": str(ports.distribution),
        "ERL_EPMD_PORT": str(ports.port_mapper),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_LOGS": "-",
        "RUNNING_UNDER_SYSTEMD": "true",  # the start script then becomes the broker instead of its parent
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "no-system-wide-settings"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-kernel inet_dist_use_interface {{127,0,0,1}} {QUIET_SCHEDULERS}",
    }


def _configuration(ports: RabbitPorts, password: str) -> str:
    return "\n".join(
        [
            f"listeners.tcp.default = 127.0.0.1:{ports.amqp}",
            f"default_user = {USER}",
            f"default_pass = {password}",
            "disk_free_limit.absolute = 200MB",
            "log.console.level = warning",
            "",
        ]
    )
