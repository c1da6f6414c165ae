"""A host to deploy to."""

import threading
from collections.abc import Iterator
from http.server import HTTPServer
from pathlib import Path

import pytest

from tests.support.deployed_host import DOCKER, GH, SSH, Health, Host, commit, git


@pytest.fixture
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
def host(tmp_path: Path, port: int) -> Host:
    origin, folder, programs = (tmp_path / name for name in ("origin", "checkout", "bin"))
    for each in (origin, programs):
        each.mkdir()
    git(origin, "init", "--quiet")
    first = commit(origin, "first")
    git(tmp_path, "clone", "--quiet", str(origin), str(folder))
    second = commit(origin, "second")
    git(origin, "tag", "v1.0.0", first)
    for name, text in (("docker", DOCKER), ("ssh", SSH), ("gh", GH)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    return Host(origin, folder, programs, [first, second], port)
