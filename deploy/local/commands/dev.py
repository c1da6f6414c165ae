"""dev: restarts one service of the running system on every change of its code."""

import time

from watchfiles import PythonFilter, watch

from deploy.local import folder
from deploy.local.failures import LocalFailure
from deploy.local.identity import is_running
from deploy.local.processes import last_line
from deploy.local.servers.services import SERVICES
from deploy.local.settings import LocalSettings
from deploy.local.state import ProcessRecord, find_state

WATCHED_TOO = (".html", ".css", ".js", ".sql", ".lua")
READY_SECONDS = 30.0
POLL_SECONDS = 0.1


def dev(settings: LocalSettings, service: str) -> int:
    """Until Ctrl-C."""
    if service not in SERVICES:
        raise LocalFailure(f"SERVICE is {service!r}: choose one of {', '.join(SERVICES)}.")
    state = find_state(settings.local_dir / folder.STATE)
    if state is None or not is_running(state.supervisor):
        raise LocalFailure("Nothing runs yet: start the system with `make up` first.")
    code = (settings.root / "services" / service, settings.root / "shared")
    print(f"Watching {' and '.join(str(path.relative_to(settings.root)) for path in code)}; Ctrl-C ends.")
    for changes in watch(
        *code, watch_filter=PythonFilter(extra_extensions=WATCHED_TOO), raise_interrupt=False
    ):
        print(f"{len(changes)} changed, {service} restarts ...", flush=True)
        print(_restart(settings, service), flush=True)
    return 0


def _restart(settings: LocalSettings, service: str) -> str:
    """What came of it, in one line."""
    begun = time.monotonic()
    before = _find(settings, service)
    folder.ask_restart(settings.local_dir, service)
    while time.monotonic() < begun + READY_SECONDS:
        now = _find(settings, service)
        if now and now.healthy and (before is None or now.identity != before.identity):
            return f"{service} is ready after {time.monotonic() - begun:.1f} s"
        if now and before and now.restarts > before.restarts:
            break
        time.sleep(POLL_SECONDS)
    return f"{service} does not start: {last_line(settings.logs / f'{service}.log')}"


def _find(settings: LocalSettings, service: str) -> ProcessRecord | None:
    state = find_state(settings.local_dir / folder.STATE)
    return next((each for each in state.processes if each.name == service), None) if state else None
