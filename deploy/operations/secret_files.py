"""secrets: what is secret in .env moves to files that only containers are given (deploy/compose/secrets.yml).

Run again after a file was changed: the addresses that hold a password are written anew. Standard library only."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from deploy.local.env_file import LINE, read_env_file, write_private
from deploy.local.failures import LocalFailure
from deploy.operations.place import SCHEMAS

ROLES = tuple(role for service in SCHEMAS for role in (service, f"{service}_owner"))
NEEDED = (
    *("INTERNAL_TOKEN", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "RABBITMQ_PASSWORD"),
    *(f"{role.upper()}_PASSWORD" for role in ROLES),
)
"""Without these docker compose itself refuses: .env says of them where they are."""
SECRETS = (
    *NEEDED,
    *(
        "KEY_PEPPER",
        "SEALING_PRIVATE_KEY",
        "RECEIPT_SIGNING_KEY",
        "ADMIN_KEY",
        "LLAMA_API_KEY",
        "SMTP_PASSWORD",
    ),
    *(
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "BTCPAY_API_KEY",
        "BTCPAY_WEBHOOK_SECRET",
        "GRAFANA_PASSWORD",
    ),
)
IN_A_FILE = "in-a-file"
"""Shorter than any secret may be: without the files no service starts."""
FOLDER = "SECRETS_FOLDER"
DEFAULT_FOLDER = "secrets"
COMPOSE_FILE = "COMPOSE_FILE"
FILES = "compose.yaml:deploy/compose/secrets.yml"
READABLE_INSIDE = 0o444
"""By the containers' own users; the folder keeps others on this host out."""


def move(root: Path) -> Path:
    """The folder. What .env has wins over what the files have. Raises LocalFailure."""
    env_file = root / ".env"
    given = read_env_file(env_file)
    folder = secrets_folder(root, given)
    kept = {name: (folder / name).read_text().strip() for name in SECRETS if (folder / name).exists()}
    moved = {name: given[name] for name in SECRETS if given.get(name, "") not in ("", IN_A_FILE)}
    secrets = {**dict.fromkeys(SECRETS, ""), **kept, **moved}
    if missing := [name for name in NEEDED if not secrets[name]]:
        raise LocalFailure(f"{missing[0]} is neither in .env nor in {folder}: `make env` writes .env.")
    secrets["GRAFANA_PASSWORD"] = secrets["GRAFANA_PASSWORD"] or secrets["ADMIN_KEY"]
    _write(folder, {**secrets, **addresses(secrets)})
    write_private(env_file, without_secrets(env_file.read_text(encoding="utf-8"), given))
    return folder


def secrets_folder(root: Path, given: Mapping[str, str]) -> Path:
    return root / (given.get(FOLDER) or DEFAULT_FOLDER)


def find_secret(root: Path, given: Mapping[str, str], name: str) -> str:
    """From .env, or from its file; empty where there is none."""
    path = secrets_folder(root, given) / name
    if given.get(name, "") not in ("", IN_A_FILE):
        return given[name]
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def addresses(secrets: Mapping[str, str]) -> dict[str, str]:
    """As the compose files have them; a password stands in each."""
    at = {name: quote(secrets[name], safe="") for name in NEEDED}
    databases = {
        f"{role.upper()}_DATABASE_URL": f"postgresql://{role}:{at[f'{role.upper()}_PASSWORD']}@db/gateway"
        for role in ROLES
    }
    return {
        "SUPERUSER_DATABASE_URL": f"postgresql://gateway:{at['POSTGRES_PASSWORD']}@db/gateway",
        "REDIS_URL": f"redis://:{at['REDIS_PASSWORD']}@redis:6379/0",
        "AMQP_URL": f"amqp://promptly:{at['RABBITMQ_PASSWORD']}@rabbitmq/",
        **databases,
    }


def without_secrets(text: str, given: Mapping[str, str]) -> str:
    """The lines of .env, with the files' own setting behind them where it is not there yet."""
    lines = [_without_secret(line) for line in text.splitlines()]
    if FILES not in given.get(COMPOSE_FILE, ""):
        lines += ["# secrets in files: `make secrets`", f"{COMPOSE_FILE}={FILES}"]
    return "".join(f"{line}\n" for line in lines)


def _without_secret(line: str) -> str:
    found = LINE.match(line.strip())
    if found is None or found[1] not in SECRETS:
        return line
    return f"{found[1]}={IN_A_FILE if found[1] in NEEDED else ''}"


def _write(folder: Path, secrets: Mapping[str, str]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, value in secrets.items():
        write_private(folder / name, value)
        (folder / name).chmod(READABLE_INSIDE)
