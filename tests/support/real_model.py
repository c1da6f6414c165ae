"""A real llama-server with the small model of `make run`, for what no stand-in can prove."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.servers import model
from deploy.local.settings import ROOT


@contextmanager
def running_model(folder: Path, api_key: str) -> Iterator[str]:
    """Its URL."""
    port = free_port()
    child = processes.start(model.prepare(ROOT, folder, port=port, api_key=api_key), marker=folder)
    try:
        processes.wait_ready(child)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()
