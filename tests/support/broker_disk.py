"""What a broker has on its disk: all that ever passed, until it writes over it. Found by its port, whoever runs it."""

from pathlib import Path
from urllib.parse import urlsplit

from testcontainers.core.docker_client import DockerClient

DATA_IN_A_CONTAINER = "/var/lib/rabbitmq"
PORT_IN_A_CONTAINER = "5672/tcp"


def files_on_disk(text: str, amqp_url: str) -> list[str]:
    """Those that hold the text, quorum queues' logs and segments with them."""
    port = str(urlsplit(amqp_url).port)
    folder = _folder_of_process(port)
    if folder is not None:
        return [path.name for path in folder.rglob("*") if path.is_file() and _holds(path, text)]
    return _files_in_container(port, text)


def _folder_of_process(port: str) -> Path | None:
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            given = dict(each.partition("=")[::2] for each in path.read_text().split("\0"))
        except OSError:  # ended meanwhile, or somebody else's
            continue
        if given.get("RABBITMQ_NODE_PORT") == port and "RABBITMQ_MNESIA_BASE" in given:
            return Path(given["RABBITMQ_MNESIA_BASE"])
    return None


def _holds(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except FileNotFoundError:  # a segment that was just given up
        return False


def _files_in_container(port: str, text: str) -> list[str]:
    [container] = [
        each
        for each in DockerClient().client.containers.list()
        for bound in each.ports.get(PORT_IN_A_CONTAINER) or ()
        if bound["HostPort"] == port
    ][:1]
    found = container.exec_run(["grep", "-rlaF", text, DATA_IN_A_CONTAINER])
    return str(found.output.decode()).split()
