"""How fast this core is just now: a loop of what a gateway does (calls, dictionaries, bytes, JSON, copies), by the
CPU time that it took. Costs in such loops can be compared between machines, roughly."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

from bench.gateway.cores import pinned

ROUNDS = 200
REPEATS = 15
DOCUMENT = {"messages": [{"role": "user", "content": "What is the capital of France?"}] * 4, "stream": True}
COPIED = bytes(64 << 10)


def loop() -> int:
    """A millisecond or so."""
    total = 0
    for number in range(ROUNDS):
        text = json.dumps(DOCUMENT)
        fields = {f"name-{number % 17}-{place}": place for place in range(8)}
        total += len(json.loads(text)["messages"]) + sum(fields.values())
    return total + len(bytearray(COPIED)) + len(COPIED + b"x")


def measure_us() -> float:
    """The least of several, in microseconds of CPU."""
    loop()
    return min(_once_us() for _ in range(REPEATS))


def calibrate_us(cores: Sequence[int]) -> float:
    """On these cores, in a process of its own."""
    argv = pinned((sys.executable, "-m", "bench.gateway.calibration"), cores)
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def _once_us() -> float:
    begun = time.process_time_ns()
    loop()
    return (time.process_time_ns() - begun) / 1e3


if __name__ == "__main__":
    print(measure_us())
