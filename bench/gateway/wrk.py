"""wrk: as many requests as it gets answered, over so many connections."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.cores import pinned
from deploy.local.failures import LocalFailure
from deploy.local.programs import get_program

SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one run. `errors`: no connection, no answer, or another status than 2xx and 3xx."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def run_wrk(port: int, requests: Path, *, connections: int, seconds: float, cores: Sequence[int]) -> Load:
    program = str(get_program("wrk", server="wrk"))
    arguments = ("-t1", f"-c{connections}", f"-d{round(seconds)}s", "--timeout", "10s", "-s", str(SCRIPT))
    argv = pinned((program, *arguments, f"http://127.0.0.1:{port}", "--", str(requests)), cores)
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalFailure(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Of load.lua's last line."""
    said = json.loads(output.strip().splitlines()[-1])
    return Load(
        said["requests"],
        said["duration_us"] / 1e6,
        said["errors"],
        said["p50_us"] / 1e3,
        said["p99_us"] / 1e3,
    )
