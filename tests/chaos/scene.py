"""What an experiment works with: the system, the crowd, a seeded generator, and faults that are noted as they happen."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from shared.faults import Point
from tests.chaos.history import Fault, History, now
from tests.chaos.load.crowd import Crowd, Size
from tests.chaos.system import Chaos

ORDER_WITHIN_SECONDS = 20.0
"""A point that nobody came to by then is told of: the seed then says less than it seems."""
POLL_SECONDS = 0.05


@dataclass(slots=True)
class Scene:
    """`seconds`: how long the load is to last. `not_reached`: fault points nobody came to. `findings`: what an
    experiment saw by itself, by invariant."""

    chaos: Chaos
    history: History
    crowd: Crowd
    random: random.Random
    seconds: float
    not_reached: list[str] = field(default_factory=list)
    findings: dict[str, list[str]] = field(default_factory=dict)

    @asynccontextmanager
    async def fault(self, kind: str, target: str) -> AsyncIterator[None]:
        """Mended when the block ends."""
        begun_at = now()
        try:
            yield
        finally:
            self.history.note(Fault(kind, target, begun_at, now()))

    async def crash(self, process: str, *, down_seconds: float = 0.5) -> None:
        """SIGKILL, a while without it, and back until it is ready."""
        async with self.fault("kill -9", process):
            await self.chaos.kill(process)
            await asyncio.sleep(down_seconds)
            await self.chaos.start(process)

    async def freeze(self, process: str, seconds: float) -> None:
        async with self.fault(f"SIGSTOP {seconds:g} s", process):
            pid = self.chaos.pid(process)
            for each in session_of(pid):
                os.kill(each, signal.SIGSTOP)
            try:
                await asyncio.sleep(seconds)
            finally:
                for each in session_of(pid):
                    os.kill(each, signal.SIGCONT)

    async def crash_at(self, process: str, point: Point) -> None:
        """It dies when it next comes there; then it is started again."""
        order = self.chaos.order(process, point)
        deadline = now() + ORDER_WITHIN_SECONDS
        while order.exists():
            if now() > deadline:
                order.unlink(missing_ok=True)
                self.not_reached.append(f"{process} {point}")
                return
            await asyncio.sleep(POLL_SECONDS)
        async with self.fault(f"dies at {point}", process):
            await self.chaos.start(process)

    async def silence(self, lines: Sequence[str], seconds: float) -> None:
        async with self.fault("silent partition", ", ".join(lines)):
            for line in lines:
                self.chaos.lines[line].silence()
            await asyncio.sleep(seconds)
            for line in lines:
                self.chaos.lines[line].mend()

    async def lose_reply(self, line: str, question: bytes) -> None:
        """Waits until it has happened."""
        self.chaos.lines[line].lose_reply_to(question)
        deadline = now() + ORDER_WITHIN_SECONDS
        async with self.fault("one reply lost", line):
            while not self.chaos.lines[line].has_lost:
                if now() > deadline:
                    self.not_reached.append(f"{line} {question!r}")
                    self.chaos.lines[line].mend()
                    return
                await asyncio.sleep(POLL_SECONDS)

    def found(self, invariant: str, text: str) -> None:
        self.findings.setdefault(invariant, []).append(text)

    async def pause(self, least_seconds: float, most_seconds: float) -> None:
        await asyncio.sleep(self.random.uniform(least_seconds, most_seconds))


Act = Callable[[Scene], Awaitable[None]]


async def nothing(_: Scene) -> None:
    """No nemesis, or nothing afterwards."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """`nemesis` runs under load, `after` when it is quiet and before the verdict. `harms_serving`: gateways,
    Redis or the upstream are hurt, so that what nobody received may stay uncharged. `is_long`: only by name or in
    a soak. `shown_by`: the planted fault in tests/chaos/tests by which one knows that it would have found one."""

    name: str
    title: str
    nemesis: Act
    after: Act = nothing
    harms_serving: bool = True
    size: Size = field(default_factory=Size)
    seconds: float = 15.0
    is_long: bool = False
    shown_by: str = ""


def session_of(pid: int) -> list[int]:
    """It and its children: a server that forks stands still as a whole."""
    others = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid, *(other for other in others if other != pid and _session(other) == pid)]


def _session(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return int(stat.read().rpartition(")")[2].split()[3])
    except OSError:
        return None
