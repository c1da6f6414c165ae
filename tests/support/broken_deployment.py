"""A deployment as the smoke test sees it, by itself, that does one thing wrong when told to: no system needed."""

import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ADMIN_KEY = "the-operators-key"
TOKENS = 12
LIMIT = 60
USAGE = {"prompt_tokens": 10, "completion_tokens": 2}
RESPONSES_USAGE = {"input_tokens": 10, "output_tokens": 2}
CHAT = {"choices": [{"message": {"content": "Paris"}}], "usage": USAGE}
RESPONSE = {"status": "completed", "usage": RESPONSES_USAGE}


@dataclass
class Deployment:
    """`breaks` is what it does wrong; empty: nothing."""

    breaks: str = ""
    url: str = ""
    given_key: str = ""
    users: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    asked_for_models: int = 0

    def answer(self, path: str, key: str, fields: dict[str, str], body: Any) -> tuple[int, str]:
        if path == "/health":
            return 200, json.dumps({"status": "down" if self.breaks == "health" else "ok"})
        if path == "/register":
            return (429, "no") if self.breaks == "limits" else (200, self._register(fields["email"]))
        if path.startswith("/local/mail"):
            return self._mail(path)
        if path.startswith("/admin"):
            return self._admin(path, fields)
        if key not in (*self.keys[-1:], self.given_key) or not key:
            return (200, "{}") if self.breaks == "auth" else (401, _error("invalid_api_key"))
        return self._api(path, body)

    def _register(self, email: str) -> str:
        is_known = email in self.users
        if self.breaks == ("duplicate registration" if is_known else "registration"):
            return "Sorry."
        self.users += [] if is_known else [email]
        self.keys.append(f"sk-{secrets.token_hex(22)}")
        return f"<p>Sent to {email}</p>"

    def _mail(self, path: str) -> tuple[int, str]:
        if self.breaks == "mail":
            return 404, "none"
        if path == "/local/mail":
            rows = enumerate(self.keys)
            listed = [
                f'<li><a href="/local/mail/{n}.eml">Key</a><br><small>to {self.users[-1]}, today'
                for n, _ in rows
            ]
            return 200, "".join(reversed(listed))
        return 200, self.keys[int(re.findall(r"\d+", path)[0])]

    def _admin(self, path: str, fields: dict[str, str]) -> tuple[int, str]:
        is_refused = self.breaks == "networks" or fields.get("key") != ADMIN_KEY
        if is_refused and self.breaks != "admin panel":
            return 403, "no"
        if path == "/admin/new-key":
            return 400, "mails work"
        if path == "/admin/delete":
            self.users = self.users if self.breaks == "cleanup" else []
        rows = [f'{email} <input name="user_id" value="7">' for email in self.users]
        return 200, "".join(rows)

    def _api(self, path: str, body: Any) -> tuple[int, str]:
        if path == "/v1/models":
            self.asked_for_models += 1
            over = self.asked_for_models > LIMIT and self.breaks != "rate limit"
            return (429, "{}") if over else (200, "{}")
        if path == "/v1/balance":
            spent = 0 if self.breaks == "metering" else sum(self.spent.values())
            return 200, json.dumps({"available": 1000 - spent})
        if path.startswith("/v1/usage/"):
            lost = 1 if self.breaks == "ledger" else 0
            return 200, json.dumps({"receipt": {"tokens_charged": TOKENS - lost}})
        return self._generate(path, body)

    def _generate(self, path: str, body: Any) -> tuple[int, str]:
        self.spent[secrets.token_hex(4)] = TOKENS
        if path == "/v1/responses":
            return (
                (502, _error("upstream_error")) if self.breaks == "responses" else (200, json.dumps(RESPONSE))
            )
        if body.get("stream"):
            end = [] if self.breaks == "streamed" else ["data: [DONE]"]
            return 200, "\n\n".join(["data: {}", f"data: {json.dumps({'usage': USAGE})}", *end])
        return 200, json.dumps({**CHAT, "usage": {} if self.breaks == "whole" else USAGE})


@contextmanager
def deployed(breaks: str) -> Iterator[Deployment]:
    deployment = Deployment(breaks)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(deployment))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    deployment.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield deployment
    finally:
        server.shutdown()
        server.server_close()


def _handler(deployment: Deployment) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._say({}, None)

        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"])).decode()
            is_form = "form" in self.headers["content-type"]
            self._say(parse_qs(sent) if is_form else {}, None if is_form else json.loads(sent))

        def _say(self, form: dict[str, list[str]], body: Any) -> None:
            parts = urlsplit(self.path)
            fields = {name: values[0] for name, values in {**parse_qs(parts.query), **form}.items()}
            key = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, text = deployment.answer(parts.path, key, fields, body)
            self.send_response(status)
            self.send_header("x-request-id", secrets.token_hex(4))
            self.send_header("retry-after", "9")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Silent."""

    return Handler


def _error(code: str) -> str:
    return json.dumps({"error": {"code": code}})
