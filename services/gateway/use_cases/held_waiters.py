"""How many requests may wait, before the queue, until money that only running requests hold is free again."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.gateway.use_cases.measure import HELD_WAITING

HELD_WAITERS_MAX = 256
"""Each asks Redis five times a second, and keeps its body in memory. Who comes later hears 429 at once."""


class Place:
    """One request's, taken when it has to wait for the first time."""

    def __init__(self, waiters: "HeldWaiters") -> None:
        self._waiters = waiters
        self.is_taken = False

    def take(self) -> bool:
        """False when there is none left. Again is no second one."""
        if not self.is_taken and self._waiters.count < HELD_WAITERS_MAX:
            self.is_taken = True
            self._waiters.count += 1
            HELD_WAITING.inc()
        return self.is_taken


class HeldWaiters:
    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Given back on leaving."""
        place = Place(self)
        try:
            yield place
        finally:
            if place.is_taken:
                self.count -= 1
                HELD_WAITING.dec()
