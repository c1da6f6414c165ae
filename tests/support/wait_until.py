"""Waiting in tests that have no event loop (`eventually` is for those that have one)."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.02


def wait_until(predicate: Callable[[], bool], within_seconds: float = 10.0) -> None:
    """Raises TimeoutError when it does not become true in time."""
    deadline = time.monotonic() + within_seconds
    while not predicate():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not true within {within_seconds} s")
        time.sleep(POLL_SECONDS)
