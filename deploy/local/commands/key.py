"""key: registers an address at the public form, waits for the mail, and prints the key and nothing else."""

import re
import sys
import time
from collections.abc import Callable
from email.utils import getaddresses
from pathlib import Path

import httpx

from deploy.local import folder
from deploy.local.failures import LocalFailure
from deploy.local.mailbox_page import list_mails, read_mail, text_of
from deploy.local.settings import LocalSettings
from deploy.local.state import find_state

KEY = re.compile(r"\bsk-[0-9A-Za-z]{44,}\b")
MAIL_SECONDS = 30.0
POLL_SECONDS = 0.1
REQUEST_SECONDS = 15.0
Mails = Callable[[], list[Path]]


def key(settings: LocalSettings, email: str) -> int:
    """Raises LocalFailure; standard output then stays empty."""
    state = find_state(settings.local_dir / folder.STATE)
    if state is None:
        raise LocalFailure(
            f"Nothing runs in {settings.local_dir}: `make up` or `make run` starts the system."
        )
    mails = Path(state.mails)
    print(register(state.edge_url, email, lambda: list_mails(mails)))
    return 0


def register(url: str, email: str, mails: Mails) -> str:
    """The key that was mailed. `mails` are the files that have come by now."""
    if "@" not in email:
        raise LocalFailure("Give the address to register: `make key EMAIL=you@example.com`.")
    seen = {path.name for path in mails()}
    _post(url, email)
    print(f"Registered {email}, waiting for the mail ...", file=sys.stderr)
    return _wait_for_key(mails, seen, email)


def _post(url: str, email: str) -> None:
    try:
        reply = httpx.post(f"{url}/register", data={"email": email}, timeout=REQUEST_SECONDS)
    except httpx.HTTPError as error:
        raise LocalFailure(f"{url}/register does not answer ({error}): `make status` shows why.") from error
    if reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
        raise LocalFailure(
            "Too many registrations from here or of this address: wait, or raise REGISTRATION_RATE_LIMIT or"
            " REGISTRATION_ADDRESS_RATE_LIMIT."
        )
    if reply.status_code >= httpx.codes.BAD_REQUEST:
        raise LocalFailure(f"The registration of {email} was refused with status {reply.status_code}.")


def _wait_for_key(mails: Mails, seen: set[str], email: str) -> str:
    deadline = time.monotonic() + MAIL_SECONDS
    while time.monotonic() < deadline:
        for path in mails():
            if path.name not in seen and (found := find_key(path, email)):
                return found
        time.sleep(POLL_SECONDS)
    raise LocalFailure(
        f"No mail for {email} came within {MAIL_SECONDS:.0f} s: see `make logs SERVICE=notifier`."
    )


def find_key(path: Path, email: str) -> str | None:
    """The key in a mail to this address; addresses compare without case, as registration may fold it."""
    mail = read_mail(path)
    addressed = {address.casefold() for _, address in getaddresses([str(mail["To"])])}
    if email.casefold() not in addressed:
        return None
    match = KEY.search(text_of(mail))
    return match[0] if match else None
