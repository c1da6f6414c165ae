"""The whole system by its own commands: started, killed, started again, stopped. Slow, and worth it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.identity import MARKER
from deploy.local.ports import free_port
from deploy.local.servers import postgres
from deploy.local.settings import ROOT
from tests.support.echo_server import echo_server
from tests.support.wait_until import wait_until

START_SECONDS = 120.0
MODELS = {"object": "list", "data": [{"id": "small.gguf", "object": "model"}]}


@dataclass(frozen=True, slots=True)
class Commands:
    """`python -m deploy.local ...` for a system of its own."""

    folder: Path
    port: int
    upstream_port: int

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*arguments),
            env=self._environment(**environment),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )

    @contextmanager
    def running(self) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """`run` in the foreground, ready; the supervisor and what it says."""
        output = self.folder / "said"
        with (
            output.open("wb") as written,
            subprocess.Popen(
                self._argv("run"), env=self._environment(), cwd=ROOT, stdout=written, stderr=subprocess.STDOUT
            ) as supervisor,
        ):
            try:
                wait_until(
                    lambda: "Ready after" in output.read_text() or supervisor.poll() is not None,
                    START_SECONDS,
                )
                assert supervisor.poll() is None, output.read_text()
                yield supervisor, output
            finally:
                supervisor.kill()

    def living(self) -> list[int]:
        """Every process that carries the mark of this system, and is not ending already."""
        mark = f"{MARKER}={self.folder / 'system'}".encode()
        return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/environ") if mark in _read(path)]

    def _argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "deploy.local", *arguments]

    def _environment(self, **changes: str) -> dict[str, str]:
        own = {"LOCAL_DIR": str(self.folder / "system"), "PORT": str(self.port)}
        upstream = {"LLAMA_BASE_URL": f"http://127.0.0.1:{self.upstream_port}"}
        return {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **own, **upstream, **changes}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    folder = tmp_path_factory.mktemp("run")
    with echo_server("llama-server", answer=MODELS) as upstream_port:
        yield Commands(folder, free_port(), upstream_port)
    postgres.remove_data(folder / "system" / "postgres")


def test_a_system_is_started_killed_started_again_and_stopped(commands: Commands) -> None:
    with commands.running() as (supervisor, _):
        status = commands.run("status")
        assert status.returncode == 0, status.stdout
        assert len(re.findall(r"  ok  ", status.stdout)) == 12
        key = commands.run("key", "newcomer@example.com")
        assert re.fullmatch(r"sk-[0-9A-Za-z]{44,}\n", key.stdout), key.stderr
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait()
    assert "was killed" in commands.run("status").stdout
    with commands.running() as (supervisor, said):
        supervisor.send_signal(signal.SIGINT)
        assert supervisor.wait(60) == 0
        assert "Stopped after" in said.read_text()
    assert commands.living() == []
    assert "Nothing runs" in commands.run("status").stdout


def test_a_second_system_on_the_same_port_is_one_sentence(commands: Commands) -> None:
    with echo_server("somebody else") as taken:
        done = commands.run("run", PORT=str(taken))
    assert done.returncode == 1
    assert re.fullmatch(rf"Port {taken} is taken: .*\.\n", done.stderr)


def test_an_address_of_another_machine_is_one_sentence(commands: Commands) -> None:
    done = commands.run("run", GATEWAY_BIND="203.0.113.7")
    assert done.returncode == 1
    assert done.stderr == "203.0.113.7 is no address of this machine: mend GATEWAY_BIND or TAILNET_BIND.\n"


def test_an_upstream_that_is_not_there_is_one_sentence(commands: Commands) -> None:
    done = commands.run("run", LLAMA_BASE_URL=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert re.fullmatch(
        r"LLAMA_BASE_URL is http://127\.0\.0\.1:\d+ and nothing answers there: .*\.\n", done.stderr
    )


def test_a_wrong_setting_is_one_sentence_that_names_it_and_nothing_stays(commands: Commands) -> None:
    done = commands.run("run", TRIAL_TOKENS="many")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "TRIAL_TOKENS is wrong" in done.stderr
    assert commands.living() == []


def test_a_key_is_asked_of_a_running_system_only(commands: Commands) -> None:
    done = commands.run("key", "newcomer@example.com")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "`make up`" in done.stderr


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
