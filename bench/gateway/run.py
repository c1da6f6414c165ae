"""One run of the benchmark: what is there to measure with, and where the figures go."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from bench.gateway.figures import Figures
from bench.gateway.peers import Peer, start_peer
from bench.gateway.plan import Plan
from bench.gateway.system import LOGS, Contender, Surroundings
from deploy.local.failures import LocalFailure
from deploy.local.progress import Progress

T = TypeVar("T")
MEASURE_SECONDS_MAX = 120
DIRECT, NGINX, GATEWAY = "direct", "nginx", "gateway"


@dataclass(frozen=True, slots=True)
class Run:
    around: Surroundings
    runner: asyncio.Runner
    plan: Plan
    peers: tuple[Peer, ...]
    customers: tuple[Mapping[str, str], ...]
    progress: Progress
    figures: Figures = field(default_factory=Figures)

    def contenders(self, upstream_port: int) -> list[Contender]:
        """Direct, nginx, the gateway and the peers, in front of that upstream."""
        around = self.around
        return [
            Contender(DIRECT, upstream_port, None),
            around.start_proxy(upstream_port),
            around.start_gateway(upstream_port, self.customers),
            *(start_peer(peer, around, upstream_port) for peer in self.peers),
        ]

    def do(self, measuring: Coroutine[object, object, T]) -> T:
        """Raises LocalFailure when somebody died and it would wait for ever."""
        bound = self.plan.crowd_seconds + MEASURE_SECONDS_MAX
        try:
            return self.runner.run(asyncio.wait_for(measuring, bound))
        except TimeoutError as error:
            raise LocalFailure(f"A measurement did not end within {bound:.0f} s; see {LOGS}.") from error

    def say(self, contender: Contender, what: str) -> None:
        self.progress.say(f"    {contender.name:<10} {what}")


@contextlib.contextmanager
def awake(contender: Contender) -> Iterator[None]:
    """A peer stands still while it is not its turn: some have much to do of their own."""
    if not contender.sleeps or contender.pid is None:
        yield
        return
    os.kill(contender.pid, signal.SIGCONT)
    try:
        yield
    finally:
        os.kill(contender.pid, signal.SIGSTOP)
