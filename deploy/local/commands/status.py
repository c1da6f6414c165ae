"""status: a table of the processes. Exit code 0 when all are healthy, 1 otherwise."""

from collections.abc import Iterable

from deploy.local import folder
from deploy.local.identity import is_running
from deploy.local.settings import LocalSettings
from deploy.local.state import ProcessRecord, find_state

HEADINGS = ("process", "pid", "port", "state", "health", "restarts")


def status(settings: LocalSettings) -> int:
    state = find_state(settings.local_dir / folder.STATE)
    if state is None:
        print(f"Nothing runs in {settings.local_dir}: `make up` or `make run` starts it.")
        return 1
    if not is_running(state.supervisor):
        print(f"The system in {settings.local_dir} was killed: the next start or `make down` cleans up.")
        return 1
    print(f"{state.base_url}  {state.phase}  (supervisor {state.supervisor.pid})\n")
    print(table(state.processes))
    return 0 if all(each.healthy for each in state.processes) else 1


def table(processes: Iterable[ProcessRecord]) -> str:
    rows = [HEADINGS, *(_row(each) for each in processes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(process: ProcessRecord) -> tuple[str, ...]:
    runs = process.identity is not None and is_running(process.identity)
    return (
        process.name,
        str(process.identity.pid) if process.identity and runs else "-",
        str(process.port or "-"),
        "running" if runs else "waits to restart",
        "ok" if runs and process.healthy else "not ready",
        str(process.restarts),
    )
