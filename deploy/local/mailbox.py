"""A mail server that keeps what it gets: each mail becomes a file, and a local page shows them.

Keys lie in these mails, so it runs only with LOCAL_FAKES=1, refuses a BASE_URL that is not loopback, and
answers only to loopback host names. Mails are shown as plain text, escaped."""

import argparse
import os
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.controller import Controller

from deploy.local.mailbox_page import page_handler

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
MAIL_BYTES_MAX = 1024 * 1024


class KeepInFolder:
    """An aiosmtpd handler. 250 is answered only once the file is whole under its final name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        name = f"{time.time_ns()}-{next(self._numbers):04d}.eml"
        draft = self._folder / f".{name}.part"
        recipients = ", ".join(envelope.rcpt_tos)
        draft.write_bytes(f"X-Envelope-To: {recipients}\r\n".encode() + envelope.content)
        draft.rename(self._folder / name)
        return "250 kept"


def refusal(environment: dict[str, str]) -> str | None:
    """Why it may not run here, as one sentence; None when it may."""
    if environment.get("LOCAL_FAKES") != "1":
        return "The mailbox is a stand-in: set LOCAL_FAKES=1 to run it."
    host = urlsplit(environment.get("BASE_URL", "")).hostname
    if host not in LOOPBACK_HOSTS:
        return f"The mailbox shows every key: it does not run with BASE_URL on {host}, only on 127.0.0.1."
    return None


def serve(folder: Path, smtp_port: int, http_port: int) -> None:
    os.umask(0o077)  # keys are in there
    folder.mkdir(parents=True, exist_ok=True)
    smtp = Controller(KeepInFolder(folder), "127.0.0.1", smtp_port, data_size_limit=MAIL_BYTES_MAX)
    smtp.start()
    page = ThreadingHTTPServer(("127.0.0.1", http_port), page_handler(folder, LOOPBACK_HOSTS))
    threading.Thread(target=page.serve_forever, daemon=True).start()
    threading.Event().wait()


def main() -> None:
    if sentence := refusal(dict(os.environ)):
        sys.exit(sentence)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    given = parser.parse_args()
    serve(given.folder, given.smtp_port, given.http_port)


if __name__ == "__main__":
    main()
