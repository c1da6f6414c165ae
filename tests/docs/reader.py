"""A reader who types a document's blocks one after the other, in one shell, into a system of their own."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

from tests.docs.blocks import Block

DOCUMENTED_URL = re.compile(r"http://127\.0\.0\.1:8503|https://(?:HOST|your\.host)\b")
"""What documents call the system."""
CLIENTS = ".local-clients"
"""Clients whose pins are not ours have environments of their own there; Node looks for packages beside the program."""
RUN_WITH = {
    "sh": ".",
    "python": ".venv/bin/python",
    "langchain": f"{CLIENTS}/python/bin/python",
    "js": "node",
    "sql": 'psql "$OPERATOR_URL" -qv ON_ERROR_STOP=1 -f',
}

SHELL_ENDED = -1
"""A block that is no shell at all ends it."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a block printed, and how it ended."""

    printed: str
    status: int


@dataclass(slots=True)
class Reader:
    """`folder` looks like a checkout; what a block writes lands in it."""

    shell: "subprocess.Popen[str]"
    folder: Path
    base_url: str

    def type(self, block: Block) -> Typed:
        """Variables and functions of earlier `sh` blocks are still there; a command that fails ends its block."""
        runner = "langchain" if "import ChatOpenAI" in block.text else block.language
        folder, ending = (f"{CLIENTS}/node", "mjs") if runner == "js" else (".", "txt")
        file = self.folder / folder / f".typed-{uuid4().hex}.{ending}"
        file.write_text(self._as_run(block))
        try:
            return self._run(f'{RUN_WITH[runner]} "{file}"')
        finally:
            file.unlink()

    def _run(self, command: str) -> Typed:
        end = f"ended-{uuid4().hex}"
        stdin, stdout = _pipes(self.shell)
        stdin.write(f'{command} </dev/null\necho "{end} $?"\ntrap - ERR\n')
        stdin.flush()
        return _read_until(stdout, end)

    def _as_run(self, block: Block) -> str:
        text = DOCUMENTED_URL.sub(self.base_url, block.text)
        # The block ends at its first failure, the reader's shell does not.
        return f"trap 'return $?' ERR\n{text}" if block.language == "sh" else text


@contextmanager
def reading(folder: Path, base_url: str, environment: Mapping[str, str]) -> Iterator[Reader]:
    """A shell that hangs is ended by the time that pytest gives a test."""
    command = ["bash", "--noprofile", "--norc", "-o", "pipefail"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        try:
            yield Reader(shell, folder, base_url)
        finally:
            shell.kill()


def _read_until(stdout: IO[str], end: str) -> Typed:
    printed: list[str] = []
    for line in stdout:
        before, found, status = line.partition(f"{end} ")
        printed.append(before)
        if found:
            return Typed("".join(printed), int(status))
    return Typed("".join(printed), SHELL_ENDED)


def _pipes(shell: "subprocess.Popen[str]") -> tuple[IO[str], IO[str]]:
    assert shell.stdin is not None
    assert shell.stdout is not None
    return shell.stdin, shell.stdout
