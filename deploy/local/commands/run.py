"""run: the whole system in the foreground until Ctrl-C; `up` runs the same in the background."""

import errno
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from deploy.local import folder, probes
from deploy.local.failures import LocalFailure
from deploy.local.leftovers import end_leftovers
from deploy.local.live import LiveSystem
from deploy.local.next_steps import next_steps
from deploy.local.ports import find_bind_error
from deploy.local.progress import Progress
from deploy.local.secrets import load_secrets
from deploy.local.settings import LocalSettings, upstream_urls
from deploy.local.state import find_state
from deploy.local.system import System

WATCH_SECONDS = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(BaseException):
    """Ctrl-C or its like, wherever the work is at that moment."""


def run(settings: LocalSettings, *, how_to_stop: str) -> int:
    """0 after a wanted stop. Raises LocalFailure when it cannot start; then nothing is left running."""
    progress = Progress()
    folder.make_folder(settings.local_dir)
    with folder.held(settings.local_dir):
        progress.say(f"Promptly in {settings.local_dir}")
        _end_leftovers(settings, progress)
        _check_port(settings)
        _check_upstream(settings)
        folder.keep_previous_logs(settings.logs)
        folder.take_requests(settings.local_dir)
        secrets = load_secrets(settings.local_dir / "secrets.env", settings.given)
        live = LiveSystem(System.choose(settings, secrets), progress)
        with _stop_signals(), suppress(StopRequested):
            _serve(live, settings, progress, how_to_stop)
        progress.say(f"Stopped after {progress.elapsed_seconds:.0f} s.")
    return 0


def _serve(live: LiveSystem, settings: LocalSettings, progress: Progress, how_to_stop: str) -> None:
    with folder.disk_full_explained(settings.local_dir), live, _calm_stop(progress):
        live.start()
        progress.say(f"\nReady after {progress.elapsed_seconds:.1f} s: {settings.base_url}\n")
        progress.say(f"{next_steps(settings)}\n\n{how_to_stop} stops everything.")
        while True:
            live.supervisor.watch()
            for name in folder.take_requests(settings.local_dir):
                _restart(live, name, progress)
            time.sleep(WATCH_SECONDS)


def _restart(live: LiveSystem, name: str, progress: Progress) -> None:
    try:
        live.supervisor.restart(name)
    except LocalFailure as failure:
        progress.say(str(failure))


def _end_leftovers(settings: LocalSettings, progress: Progress) -> None:
    earlier = find_state(settings.local_dir / folder.STATE)
    if earlier is None:
        return
    names = end_leftovers(earlier.processes, settings.local_dir)
    if names:
        progress.say(f"Ended what an earlier run left: {', '.join(names)}")


def _check_port(settings: LocalSettings) -> None:
    for address in settings.addresses:
        if error := find_bind_error(settings.port, address):
            raise LocalFailure(_why_not(settings.port, address, error)) from error


def _why_not(port: int, address: str, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            example = f"make run PORT={port + 100}"
            return (
                f"Port {port} is taken: stop what listens there, or choose another, for example `{example}`."
            )
        case errno.EACCES:
            return f"Port {port} is for root only: choose one above 1023."
        case _:
            return f"{address} is no address of this machine: mend GATEWAY_BIND or TAILNET_BIND."


def _check_upstream(settings: LocalSettings) -> None:
    """Before anything starts: the gateway would wait for it for a minute. One of several is enough."""
    urls = upstream_urls(settings.given)
    if urls and not any(probes.listens(url) for url in urls):
        raise LocalFailure(
            f"LLAMA_BASE_URL is {', '.join(urls)} and nothing answers there: start llama-server on that machine, "
            "or leave it unset for a small model here."
        )


@contextmanager
def _stop_signals() -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise StopRequested

    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _calm_stop(progress: Progress) -> Iterator[None]:
    """From the first signal or failure on, the way down is not interrupted by another Ctrl-C."""
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        progress.say("\nStopping ...")
