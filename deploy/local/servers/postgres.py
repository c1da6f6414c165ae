"""A private PostgreSQL. It refuses to run as root: then user `postgres` runs it, in a folder it can reach."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from deploy.local import probes
from deploy.local.failures import LocalFailure
from deploy.local.processes import ProcessSpec, user_to_become
from deploy.local.programs import get_postgres_folder

SUPERUSER = "gateway"
DATABASE = "gateway"
SYSTEM_USER = "postgres"
# Used when the system's folder lies where only root may enter.
REACHABLE_PARENT = Path("/var/tmp")  # noqa: S108  # the data folder itself is created with mode 0700


def url(port: int, password: str, *, user: str = SUPERUSER) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/{DATABASE}"


def prepare(
    folder: Path, *, port: int, password: str, options: Mapping[str, str] | None = None
) -> ProcessSpec:
    """Makes the data folder when there is none; `options` are server settings (-c name=value)."""
    programs = get_postgres_folder()
    data = data_folder(folder)
    if not (data / "PG_VERSION").exists():
        _initialise(programs, data, password)
    _clear_stale_lock(data / "postmaster.pid")
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "timezone": "UTC",
        **(options or {}),
    }
    return ProcessSpec(
        name="postgres",
        argv=(str(programs / "postgres"), "-D", str(data), *_flags(settings)),
        folder=data,
        log=folder.parent / "log" / "postgres.log",
        is_ready=lambda: probes.postgres_answers(url(port, password)),
        port=port,
        user=SYSTEM_USER,
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        stop_seconds=20,
    )


def data_folder(folder: Path) -> Path:
    """The data's place, recorded in `folder` once chosen, so that it is found again and can be removed."""
    record = folder / "data-folder"
    if record.exists():
        return Path(record.read_text().strip())
    folder.mkdir(parents=True, exist_ok=True)
    data = (folder if _is_reachable(folder) else _make_reachable_folder()) / "data"
    record.write_text(f"{data}\n")
    return data


def _make_reachable_folder() -> Path:
    """Under a name that nobody could have prepared, for everybody may write beside it."""
    made = Path(tempfile.mkdtemp(prefix="promptly-", dir=REACHABLE_PARENT))
    made.chmod(0o711)
    return made


def remove_data(folder: Path) -> None:
    data = data_folder(folder)
    shutil.rmtree(data if data.is_relative_to(folder) else data.parent, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _initialise(programs: Path, data: Path, password: str) -> None:
    """Into a folder beside it first: an initdb that was cut off leaves nothing that looks finished."""
    draft = data.with_name("data.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    draft.mkdir(mode=0o700)
    _give_to_postgres(draft)
    with tempfile.NamedTemporaryFile("w", prefix="promptly-") as secret:
        secret.write(password)
        secret.flush()
        _give_to_postgres(Path(secret.name))
        _run(
            str(programs / "initdb"),
            *("-D", str(draft), "-U", SUPERUSER, f"--pwfile={secret.name}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
        )
    # Single-user mode makes the database before any port is open.
    single_user = ("--single", "-D", str(draft), "postgres")
    _run(str(programs / "postgres"), *single_user, text=f"CREATE DATABASE {DATABASE};\n")
    draft.rename(data)


def _clear_stale_lock(lock: Path) -> None:
    """After a crash the number in it may be another program's by now, and PostgreSQL would not start."""
    if not lock.exists():
        return
    owner = Path("/proc") / lock.read_text().split("\n", 1)[0].strip() / "comm"
    if not owner.exists() or owner.read_text().strip() != "postgres":
        lock.unlink()


def _run(*argv: str, text: str = "") -> None:
    user = user_to_become(SYSTEM_USER)
    done = subprocess.run(
        argv, input=text, capture_output=True, text=True, cwd="/", check=False, user=user, group=user
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise LocalFailure(
            f"PostgreSQL could not make its data folder ({said}): free some disk space or set LOCAL_DIR."
        )


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _give_to_postgres(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, SYSTEM_USER, SYSTEM_USER)


def _is_reachable(folder: Path) -> bool:
    """May others pass through every folder on the way? The data folder itself belongs to postgres."""
    if os.geteuid() != 0:
        return True
    return all(parent.stat().st_mode & 0o001 for parent in [folder.resolve(), *folder.resolve().parents])
