"""Progress for a person: each step on a line with its seconds, and a sign of life while one takes long.

Standard library only: the installation shows its steps with it too."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

FIRST_SIGN_SECONDS = 2.0
SIGN_EVERY_SECONDS = 5.0


class Progress:
    """`tick()` is called by whoever waits; it says at most one thing every few seconds."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._begun = time.monotonic()
        self._step: tuple[str, float] | None = None
        self._next_sign = 0.0

    @property
    def elapsed_seconds(self) -> float:
        return time.monotonic() - self._begun

    def say(self, text: str = "") -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[list[str]]:
        """Yields the notes that its line will end with."""
        begun, notes = time.monotonic(), list[str]()
        self._step = (what, begun)
        self._next_sign = begun + FIRST_SIGN_SECONDS
        try:
            yield notes
            self.say(f"  {what:<22}{time.monotonic() - begun:>6.1f} s   {', '.join(notes)}".rstrip())
        finally:
            self._step = None

    def tick(self, waiting_for: str = "") -> None:
        now = time.monotonic()
        if self._step is None or now < self._next_sign:
            return
        what, begun = self._step
        self._next_sign = now + SIGN_EVERY_SECONDS
        detail = f", waiting for {waiting_for}" if waiting_for else ""
        self.say(f"    ... {what}: {now - begun:.0f} s{detail}")
