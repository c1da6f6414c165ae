"""The local page that lists and shows the mails. Everything from a mail is text and is escaped."""

import re
from collections.abc import Collection
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

PREFIX = "/local/mail"
MAIL_NAME = re.compile(r"^\d+-\d+\.eml$")
MAILS_SHOWN_MAX = 100
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    "a{color:#1d4ed8}li{margin:.6rem 0}small,dt{color:#5b6675}dt{float:left;width:5rem}dd{margin:0 0 0 5rem}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f5f8;padding:1rem;border-radius:.5rem}"
)
REFRESH = '<meta http-equiv="refresh" content="3">'
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def read_mail(path: Path) -> EmailMessage:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)  # the default policy's own type
    return message


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    return body.get_content() if body is not None else "(this mail has no plain text part)"


def list_mails(folder: Path) -> list[Path]:
    """The newest first."""
    return sorted((path for path in folder.glob("*.eml")), key=lambda path: path.name, reverse=True)


def render_list(folder: Path) -> str:
    rows = [
        f'<li><a href="{PREFIX}/{path.name}">{_header(mail, "Subject")}</a><br>'
        f"<small>to {_header(mail, 'To')}, {_header(mail, 'Date')}</small></li>"
        for path in list_mails(folder)[:MAILS_SHOWN_MAX]
        for mail in [read_mail(path)]
    ]
    listed = (
        f"<ul>{''.join(rows)}</ul>" if rows else "<p>No mail yet. Register, and the key arrives here.</p>"
    )
    return _page("Mails", f"<h1>Mails</h1>{listed}", head=REFRESH)


def render_mail(path: Path) -> str:
    mail = read_mail(path)
    head = "".join(f"<dt>{name}</dt><dd>{_header(mail, name)}</dd>" for name in ("From", "To", "Date"))
    return _page(
        str(mail["Subject"]),
        f'<p><a href="{PREFIX}">All mails</a></p><h1>{_header(mail, "Subject")}</h1>'
        f"<dl>{head}</dl><pre>{escape(text_of(mail))}</pre>",
    )


def page_handler(folder: Path, hosts: Collection[str]) -> type[BaseHTTPRequestHandler]:
    """Answers only to its own host names, or a page elsewhere could read it through a name of its own."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = self._answer()
            self.send_response(status)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            content = body.encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self) -> tuple[int, str]:
            if urlsplit(f"//{self.headers.get('Host', '')}").hostname not in hosts:
                return 403, _page("Not here", "<p>Open this page at 127.0.0.1.</p>")
            name = urlsplit(self.path).path.removeprefix(PREFIX).strip("/")
            if not name:
                return 200, render_list(folder)
            if MAIL_NAME.match(name) and (folder / name).exists():
                return 200, render_mail(folder / name)
            return 404, _page("No such mail", f'<p>No such mail. <a href="{PREFIX}">All mails</a></p>')

        def log_message(self, *_: object) -> None:
            """Silent: the log of the edge has every request."""

    return Page


def _header(mail: EmailMessage, name: str) -> str:
    return escape(str(mail[name] or "(none)"))


def _page(title: str, body: str, head: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width">{head}'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
