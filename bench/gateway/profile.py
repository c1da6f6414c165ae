"""Where the gateway's time goes under whole answers: py-spy looks at it from outside, and each sample belongs to the
part of the system nearest to its innermost frame. The price of each guarantee, with none switched off."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.gateway.measures import CONNECTIONS, Busy, measure_load, whole_requests
from bench.gateway.requests import write_requests
from bench.gateway.run import GATEWAY, Run
from bench.gateway.system import ROOT, Contender
from bench.gateway.tables import PROFILE
from deploy.local.failures import LocalFailure
from deploy.local.packages import run_logged

FOLDER = ROOT / ".local-bench" / "py-spy"
SECONDS = 10
SAMPLES_PER_SECOND = 250
AREAS = {
    "speaking to the model server": ("services/gateway/adapters/upstream", "upstream_pool.py", "slots.py"),
    "checkpoints": ("use_cases/checkpoint.py", "shared/admission/checkpoints.py"),
    "publishing to RabbitMQ": (
        *("use_cases/publish_usage.py", "shared/bus/", "shared/contracts/", "shared/admission/stream.py"),
        *("/aio_pika/", "/aiormq/", "/pamqp/"),
    ),
    "holding and settling in Redis": (
        *("shared/admission/", "shared/redis_", "/redis/", "use_cases/settle.py", "use_cases/admit.py"),
    ),
    "the request log": ("shared/logging", "shared/http/request_log.py", "/structlog/", "/logging/"),
    "metrics and traces": (
        "/prometheus_client/",
        "shared/durations.py",
        "shared/tallies.py",
        "use_cases/measure.py",
        "shared/tracing",
        "/opentelemetry/",
    ),
    "checking and building bodies": ("services/gateway/domain/",),
    "keys": ("shared/api_keys.py",),
    "speaking to the client": (
        *(
            "/uvicorn/",
            "shared/http/gathering.py",
            "shared/http/answering.py",
            "services/gateway/entrypoints/",
        ),
        *("/starlette/", "/fastapi/"),
    ),
    "the rest of the gateway": ("services/gateway/", "shared/"),
}
"""By what stands in a frame's path, the first that fits."""
ELSEWHERE = "event loop and kernel"


def profile(run: Run) -> None:
    """Where nobody may look, the figures stand without it."""
    try:
        _profile(run)
    except LocalFailure as failure:
        run.progress.say(f"    no profile: {failure}")


def _profile(run: Run) -> None:
    gateway = run.around.start_gateway(run.around.whole_port, run.customers)
    _install(run)
    path = write_requests(run.around.folder, whole_requests(gateway))
    cores = run.around.cores
    measure_load(gateway, path, cores, connections=CONNECTIONS, seconds=run.plan.warm_up_seconds)
    plain = measure_load(gateway, path, cores, connections=CONNECTIONS, seconds=run.plan.load_seconds)
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(_look, gateway, run.around.folder / "stacks")
        measure_load(gateway, path, cores, connections=CONNECTIONS, seconds=SECONDS + 1)
        stacks = looking.result()
    _add(run, plain, shares_of(stacks.splitlines()))


def shares_of(lines: Iterable[str]) -> dict[str, float]:
    """Of py-spy's raw format: frames from the outermost, then how often they were seen."""
    seen: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        seen[area_of(stack.split(";"))] += int(count)
    return {area: count / seen.total() for area, count in seen.most_common()}


def area_of(frames: list[str]) -> str:
    for frame in reversed(frames):
        for area, paths in AREAS.items():
            if any(path in frame for path in paths):
                return area
    return ELSEWHERE


def _look(gateway: Contender, output: Path) -> str:
    """Raises LocalFailure where one process may not look at another."""
    rate = ("--rate", str(SAMPLES_PER_SECOND), "--duration", str(SECONDS), "--nonblocking")
    form = ("--format", "raw", "--full-filenames", "--output", str(output))
    argv = [str(FOLDER / "bin" / "py-spy"), "record", "--pid", str(gateway.pid), *rate, *form]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LocalFailure(
            f"py-spy cannot look at the gateway (as root it can): {done.stderr.strip()[-200:]}"
        )
    return output.read_text()


def _add(run: Run, plain: Busy, shares: dict[str, float]) -> None:
    """In CPU time per request, as it is without anybody looking."""
    for area, share in shares.items():
        run.figures.add(PROFILE + area, GATEWAY, share * plain.cpu_us_per_request)


def _install(run: Run) -> None:
    if (FOLDER / "bin" / "py-spy").exists():
        return
    with run.progress.step("installing py-spy"):
        run_logged([sys.executable, "-m", "venv", "--clear", str(FOLDER)], run.progress)
        run_logged([str(FOLDER / "bin" / "python"), "-m", "pip", "install", "py-spy"], run.progress)
