"""Where log lines come from: the files of a local system, or the containers of a composed one."""

import os
import re
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from deploy.local.log_lines import LogLine, read_line

POLL_SECONDS = 0.2
ERASE_LINE = re.compile(r"^(\x1b\[2K)+")
"""Some versions of compose begin each line with it, colour or not."""


@dataclass(frozen=True, slots=True)
class Extent:
    """`lines_before`: of each source at the start, None for all; then what is new, or nothing more."""

    lines_before: int | None
    is_followed: bool


@dataclass(slots=True)
class _File:
    """A log that may be replaced by a new one of the same name."""

    path: Path
    _open: IO[str] | None = None
    _rest: str = field(default="")

    def new_lines(self) -> list[LogLine]:
        if self._open is None or self._was_replaced():
            self._reopen()
        if self._open is None:
            return []
        *whole, self._rest = (self._rest + self._open.read()).split("\n")
        return [read_line(self.path.stem, raw) for raw in whole if raw.strip()]

    def _was_replaced(self) -> bool:
        assert self._open is not None
        try:
            there = self.path.stat()
        except OSError:
            return False
        mine = os.fstat(self._open.fileno())
        return there.st_ino != mine.st_ino or there.st_size < self._open.tell()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()

    def _reopen(self) -> None:
        self.close()
        try:
            self._open, self._rest = self.path.open(encoding="utf-8", errors="replace"), ""
        except OSError:
            self._open = None


def of_files(paths: Sequence[Path], extent: Extent) -> Generator[LogLine, None, None]:
    """In the order of their times, as far as they have one."""
    with ExitStack() as opened:
        files = [opened.enter_context(closing(_File(path))) for path in paths]
        yield from _of_files(files, extent)


def _of_files(files: Sequence[_File], extent: Extent) -> Iterator[LogLine]:
    before = [line for each in files for line in _last(each.new_lines(), extent.lines_before)]
    yield from sorted(before, key=lambda line: line.at)
    while extent.is_followed:
        time.sleep(POLL_SECONDS)
        yield from sorted((line for each in files for line in each.new_lines()), key=lambda line: line.at)


def of_containers(root: Path, services: Sequence[str], extent: Extent) -> Iterator[LogLine]:
    """What `docker compose logs` says; raises FileNotFoundError without docker."""
    tail = "all" if extent.lines_before is None else str(extent.lines_before)
    command = ["docker", "compose", "--ansi", "never", "logs", "--no-color", "--tail", tail]
    command += ["--follow"] if extent.is_followed else []
    with subprocess.Popen([*command, *services], cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = (of_container(written) for written in process.stdout)
            yield from lines if extent.is_followed else sorted(lines, key=lambda line: line.at)
        finally:
            process.terminate()


def of_container(written: str) -> LogLine:
    """`gateway-1  | {...}`."""
    source, separator, raw = ERASE_LINE.sub("", written.rstrip("\n")).partition("|")
    if not separator:
        return read_line("compose", written.rstrip("\n"))
    return read_line(source.strip(), raw.removeprefix(" "))


def _last(lines: list[LogLine], count: int | None) -> list[LogLine]:
    return lines if count is None else lines[-count:]
