"""logs: what all processes write, or one, readable in a terminal. Narrowed by SERVICE=, LEVEL= and REQUEST=;
RAW=1 shows the lines as they are kept, FOLLOW=0 ends with the last one there is, STACK=compose asks the containers."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.failures import LocalFailure
from deploy.local.log_lines import LEVELS, LogLine, Wanted, render
from deploy.local.log_sources import Extent, of_containers, of_files
from deploy.local.settings import LocalSettings

LINES_BEFORE = 20


@dataclass(frozen=True, slots=True)
class Options:
    services: tuple[str, ...]
    wanted: Wanted
    extent: Extent
    is_raw: bool
    is_composed: bool


def options_of(given: Mapping[str, str]) -> Options:
    """Raises LocalFailure. Who looks for something looks through all there is."""
    level = given.get("LEVEL", "").lower() or LEVELS[0]
    if level not in LEVELS:
        raise LocalFailure(f"{level!r} is no level: choose LEVEL from {', '.join(LEVELS)}.")
    wanted = Wanted(level, given.get("REQUEST", "").strip().lower())
    is_search = wanted != Wanted()
    return Options(
        services=tuple(name.strip() for name in given.get("SERVICE", "").split(",") if name.strip()),
        wanted=wanted,
        extent=Extent(None if is_search else LINES_BEFORE, is_followed=given.get("FOLLOW") != "0"),
        is_raw=given.get("RAW") == "1",
        is_composed=given.get("STACK") == "compose",
    )


def logs(settings: LocalSettings, given: Mapping[str, str]) -> int:
    """Until Ctrl-C, or until whoever reads goes away."""
    options = options_of(given)
    colour = sys.stdout.isatty() and "NO_COLOR" not in given
    try:
        for line in _lines(settings, options):
            if options.wanted.includes(line):
                print(line.raw if options.is_raw else render(line, colour=colour), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more to say at exit
    except KeyboardInterrupt:
        pass
    return 0


def _lines(settings: LocalSettings, options: Options) -> Iterator[LogLine]:
    if options.is_composed:
        return of_containers(settings.root, options.services, options.extent)
    return of_files(_files(settings.logs, options.services), options.extent)


def _files(folder: Path, services: Sequence[str]) -> list[Path]:
    """Raises LocalFailure."""
    there = {path.stem: path for path in sorted(folder.glob("*.log"))}
    if not there:
        raise LocalFailure(f"There are no logs in {folder} yet: `make up` starts the system.")
    if unknown := [name for name in services if name not in there]:
        raise LocalFailure(f"{unknown[0]!r} has no log: choose SERVICE from {', '.join(there)}.")
    return [there[name] for name in services or there]
