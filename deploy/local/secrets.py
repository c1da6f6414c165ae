"""The secrets of one local system, made once and kept in its folder, readable by its owner only."""

import secrets
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from deploy.database.bootstrap import ROLES
from deploy.local.env_file import read_env_file, write_secret_file
from shared.sealing import new_key_pair

ROLE_PASSWORDS = {role: f"{role.upper()}_PASSWORD" for role in ROLES}
# Servers take these when their data folder is made; a later value would not fit the data.
KEPT = ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "RABBITMQ_PASSWORD")
GENERATED = ("INTERNAL_TOKEN", "KEY_PEPPER", "ADMIN_KEY", "LLAMA_API_KEY", *KEPT, *ROLE_PASSWORDS.values())
SEALING = ("SEALING_PUBLIC_KEY", "SEALING_PRIVATE_KEY")
RECEIPTS = "RECEIPT_SIGNING_KEY"
SECRET_BYTES = 32


def load_secrets(path: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What is given wins over what is kept, except for the servers' own passwords."""
    kept = read_env_file(path)
    missing = [name for name in (*GENERATED, *SEALING, RECEIPTS) if name not in kept]
    if missing:
        kept = {**{name: given.get(name, value) for name, value in fresh_secrets().items()}, **kept}
        write_secret_file(path, kept)
    overriding = {name: value for name, value in given.items() if name in kept and name not in KEPT}
    return {**kept, **overriding}


def fresh_secrets() -> dict[str, str]:
    """One of each. All may stand in a URL as they are, apart from the keys in base64."""
    made = {name: secrets.token_urlsafe(SECRET_BYTES) for name in GENERATED}
    made |= dict(zip(SEALING, new_key_pair(), strict=True))
    made[RECEIPTS] = b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return made
