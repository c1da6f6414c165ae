"""One line of a log, as it is kept and as it is shown in a terminal: time, service, level, event, what else it says,
and last whose it is. Our services write JSON, nginx too; what other servers write is shown as it is."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEVELS = ("debug", "info", "warning", "error", "critical")
WORDS = {
    "error": re.compile(r"\b(ERROR|FATAL|PANIC|error|crit|emerg|alert)\b"),
    "warning": re.compile(r"\b(WARNING|warning|warn)\b"),
}
"""How servers that write no JSON name what is wrong."""
SERVER_ERROR = 500
COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31", "critical": "1;31"}
SERVICE_COLOURS = ("36", "35", "34", "96", "95", "94")
DIM = "2"
FIRST = ("method", "path", "status")
LAST = ("account_id", "request_id")
HIDDEN = frozenset({"time", "timestamp", "level", "event", "service", "logger", "trace_id", *FIRST, *LAST})
"""Shown elsewhere in the line; a trace id is the request id without dashes."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """`source` is the process, or the container, that wrote it; `said` what it wrote, if that was JSON."""

    source: str
    raw: str
    said: Mapping[str, Any] | None

    @property
    def at(self) -> str:
        """ISO 8601, or empty."""
        said = self.said or {}
        return str(said.get("timestamp") or said.get("time") or "")

    @property
    def level(self) -> str:
        if self.said is None:
            return next((level for level, word in WORDS.items() if word.search(self.raw)), "info")
        if "level" in self.said:
            return str(self.said["level"])
        status = self.said.get("status")
        return "error" if isinstance(status, int) and status >= SERVER_ERROR else "info"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`request_id` with or without its dashes; empty: of every request. `level`: this and worse."""

    level: str = "debug"
    request_id: str = ""

    def includes(self, line: LogLine) -> bool:
        is_bad_enough = line.level not in LEVELS or LEVELS.index(line.level) >= LEVELS.index(self.level)
        return is_bad_enough and (not self.request_id or self._names(line))

    def _names(self, line: LogLine) -> bool:
        digits = self.request_id.replace("-", "")
        return digits in line.raw.replace("-", "")


def read_line(source: str, raw: str) -> LogLine:
    try:
        said = json.loads(raw) if raw.startswith("{") else None
    except ValueError:
        said = None
    return LogLine(source, raw, said if isinstance(said, dict) else None)


def render(line: LogLine, *, colour: bool) -> str:
    """One line, whatever it holds."""
    paint = _paint if colour else _plain
    head = [
        paint(DIM, _clock(line.at).ljust(12)),
        paint(_colour_of(line.source), line.source.ljust(12)),
        paint(COLOURS.get(line.level, "0"), line.level.ljust(8)),
    ]
    return " ".join([*head, _text(line, paint)]).replace("\n", " ⏎ ").replace("\r", "").rstrip()


def _text(line: LogLine, paint: Any) -> str:
    if line.said is None:
        return line.raw
    said = dict(line.said)
    if "exception" in said:
        said["exception"] = str(said["exception"]).strip().rsplit("\n", 1)[-1]
    first = [str(said[name]) for name in FIRST if name in said]
    rest = [
        f"{name}={_value(value)}" for name, value in said.items() if name not in HIDDEN and value is not None
    ]
    last = [f"{name.removesuffix('_id')}={said[name]}" for name in LAST if said.get(name)]
    event = str(said.get("event", "request" if first else "")).ljust(22)
    return " ".join([event, *first, *rest, *(paint(DIM, each) for each in last)])


def _clock(at: str) -> str:
    """Hours to milliseconds, as far as they were told; all of ours are UTC."""
    return at[11:23].split("+")[0].rstrip("Z")


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if " " in text and isinstance(value, str) else text


def _colour_of(source: str) -> str:
    return SERVICE_COLOURS[sum(source.split("-")[0].encode()) % len(SERVICE_COLOURS)]


def _paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"


def _plain(_: str, text: str) -> str:
    return text
