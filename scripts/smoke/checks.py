"""What a deployment must be able to do, one check each; a later one uses what an earlier one found."""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode

from smoke.site import LeftOut, Reply, Site, Wrong, eventually

REQUESTS_MAX = 200
"""Within them a limit of 60 a minute and key, or of 120 and address, must be met."""
KEY = re.compile(r"\bsk-[0-9A-Za-z]{44}\b")
QUESTION = "What is the capital of France? Answer in one word."
REGISTRATION_LIMITS = "REGISTRATION_RATE_LIMIT or REGISTRATION_ADDRESS_RATE_LIMIT"
NO_KEY = "no key to call with: set SMOKE_API_KEY"


@dataclass
class Smoke:
    """The checks, in their order: later ones use what earlier ones found."""

    site: Site
    admin_key: str
    given_key: str
    email: str = field(default_factory=lambda: f"smoke-{secrets.token_hex(8)}@example.com")
    mailed: list[str] = field(default_factory=list)
    key: str = ""
    user_id: str = ""
    registered: bool = False
    cleaned: bool = False
    before: int = 0
    balance: int = 0
    used: dict[str, int] = field(default_factory=dict)
    """Tokens by request id, as the answers said."""

    def health(self) -> str:
        status = self.site.get("/health").require(200).json().get("status")
        if status != "ok":
            raise Wrong(f"status {status!r}")
        return "ok"

    def registration(self) -> str:
        page = self.site.form("/register", email=self.email)
        self.registered = page.status < 400
        if page.status == 429:
            raise Wrong(f"too many registrations: wait, or raise {REGISTRATION_LIMITS} for this test")
        page.require(200)
        if self.email not in unescape(page.text):
            raise Wrong("the page does not show the address")
        return self._receive() or "the page shows the address"

    def duplicate_registration(self) -> str:
        page = self.site.form("/register", email=self.email).require(200)
        if self.email not in unescape(page.text):
            raise Wrong("the page does not show the address, as it did for a new one")
        if not self.mailed:
            return "the same page"
        self._receive()
        eventually(lambda: self._models(self.mailed[0]).status == 401, lambda: "the replaced key still works")
        return "the same page, and the first key is refused"

    def auth(self) -> str:
        for headers in ({}, {"Authorization": "Bearer sk-wrong"}):
            error = self.site.get("/v1/models", **headers).require(401).json().get("error") or {}
            if error.get("code") != "invalid_api_key":
                raise Wrong(f"401, but error code {error.get('code')!r}")
        return "no key and a wrong key are 401"

    def admin_panel(self) -> str:
        self.site.get("/admin?key=wrong").require(403)
        if not self.admin_key:
            raise Wrong("no admin key: give --admin-key, or ADMIN_KEY in the environment or .env")
        if self.site.get(f"/admin?{urlencode({'key': self.admin_key})}").status == 403:
            raise Wrong("403 with the admin key: another key, or this network is not in ADMIN_ALLOWED_CIDRS")
        eventually(self._find_user, lambda: f"{self.email} is not among the newest users")
        return f"user {self.user_id} is listed; a wrong key is 403"

    def whole(self) -> str:
        self._choose_key()
        body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 32}
        reply = self.site.post("/v1/chat/completions", self.key, body).require(200)
        answer = reply.json()
        return self._count(reply, answer["usage"], answer["choices"][0]["message"].get("content") or "")

    def streamed(self) -> str:
        self._choose_key()
        body = {"messages": [{"role": "user", "content": QUESTION}], "max_tokens": 32, "stream": True}
        reply = self.site.post(
            "/v1/chat/completions", self.key, {**body, "stream_options": {"include_usage": True}}
        )
        frames = [line[6:] for line in reply.require(200).text.splitlines() if line.startswith("data: ")]
        if not frames or frames[-1] != "[DONE]":
            raise Wrong(f"the stream of {len(frames)} frames does not end with [DONE]")
        usage = json.loads(frames[-2]).get("usage")
        if not usage:
            raise Wrong("the stream ends without its usage")
        return self._count(reply, usage, f"{len(frames)} frames")

    def responses(self) -> str:
        self._choose_key()
        body = {"input": QUESTION, "max_output_tokens": 32}
        reply = self.site.post("/v1/responses", self.key, body).require(200)
        answer = reply.json()
        usage = answer["usage"]
        counts = {"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"]}
        return self._count(reply, counts, answer["status"])

    def metering(self) -> str:
        """The balance, and what the ledger has posted of each request."""
        self._choose_key()
        if not self.used:
            raise LeftOut("nothing was generated that a balance could have fallen by")
        used = sum(self.used.values())
        eventually(
            lambda: self._fell(used),
            lambda: f"{used} tokens were used, the balance fell by {self.before - self.balance}",
        )
        for request_id, tokens in self.used.items():
            self._find_posted(request_id, tokens)
        return f"the balance fell by the {used} tokens used; the ledger has each of {len(self.used)} requests"

    def rate_limit(self) -> str:
        """By key where there is one; else by address, which then is limited for a minute."""
        for sent in range(1, REQUESTS_MAX + 1):
            reply = self._models(self.key)
            if reply.status == 429:
                if not reply.headers.get("retry-after", "").isdigit():
                    raise Wrong("429 without Retry-After")
                return f"429 after {sent - 1} requests, Retry-After {reply.headers['retry-after']}"
        raise Wrong(f"{REQUESTS_MAX} requests in a row, and no 429")

    def cleanup(self) -> str:
        if not self.user_id:
            raise Wrong("the user was not found, and so not deleted")
        self.site.form("/admin/delete", key=self.admin_key, user_id=self.user_id).require(200)
        if self._find_user():
            raise Wrong("the user is still listed")
        self.cleaned = True
        return f"user {self.user_id} deleted"

    def _choose_key(self) -> None:
        """One that was given, the mailed one, or one that the operator's panel shows; and what it may spend."""
        if self.key:
            return
        self.key = self.given_key or (self.mailed[-1] if self.mailed else self._shown_key())
        if not self.key:
            raise LeftOut(NO_KEY)
        self._await_balance()

    def _shown_key(self) -> str:
        if not self.user_id:
            return ""
        fields = {"key": self.admin_key, "user_id": self.user_id, "delivery": "show"}
        found = KEY.search(self.site.form("/admin/new-key", **fields).text)
        return found[0] if found else ""

    def _receive(self) -> str:
        """The newest key at the local mailbox's page; nothing where there is none."""
        if self.site.get("/local/mail").status != 200:
            return ""

        def has_arrived() -> bool:
            listed = re.findall(
                r'href="(/local/mail/[^"]+)">[^<]*</a><br><small>to ([^<]*), ',
                self.site.get("/local/mail").text,
            )
            pages = [self.site.get(path).text for path, to in listed if self.email in unescape(to)]
            new = [key for page in pages for key in KEY.findall(page) if key not in self.mailed]
            self.mailed += new[:1]
            return bool(new)

        eventually(has_arrived, lambda: f"no mail for {self.email} came")
        return "the key was mailed"

    def _find_user(self) -> bool:
        page = unescape(self.site.get(f"/admin?{urlencode({'key': self.admin_key})}").require(200).text)
        behind = page.partition(self.email)[2]
        found = re.search(r'name="user_id" value="(\d+)"', behind)
        self.user_id = found[1] if found else self.user_id
        return found is not None

    def _read_balance(self) -> bool:
        reply = self.site.get("/v1/balance", Authorization=f"Bearer {self.key}")
        if reply.status == 503:
            return False
        self.balance = reply.require(200).json()["available"]
        return True

    def _await_balance(self) -> None:
        eventually(self._read_balance, lambda: "the balance is not known")
        self.before = self.balance

    def _fell(self, used: int) -> bool:
        """Another's key may be used by others too: then it fell by at least that."""
        known = self._read_balance()
        fell = self.before - self.balance
        return known and (fell == used or (bool(self.given_key) and fell > used))

    def _find_posted(self, request_id: str, tokens: int) -> None:
        path, headers = f"/v1/usage/{request_id}", {"Authorization": f"Bearer {self.key}"}
        eventually(
            lambda: self.site.get(path, **headers).status == 200, lambda: f"{request_id} is not in the ledger"
        )
        charged = self.site.get(path, **headers).json()["receipt"]["tokens_charged"]
        if charged != tokens:
            raise Wrong(f"{request_id} was charged {charged} tokens, its answer said {tokens}")

    def _models(self, key: str) -> Reply:
        return self.site.get("/v1/models", **({"Authorization": f"Bearer {key}"} if key else {}))

    def _count(self, reply: Reply, usage: Mapping[str, int], seen: str) -> str:
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        if tokens < 1:
            raise Wrong("the answer's usage is zero")
        self.used[reply.headers["x-request-id"]] = tokens
        return f"{tokens} tokens: {' '.join(seen.split())[:40]}"


def checks_of(smoke: Smoke) -> dict[str, Callable[[], str]]:
    """By their names, in their order."""
    return {
        "health": smoke.health,
        "registration": smoke.registration,
        "duplicate registration": smoke.duplicate_registration,
        "auth": smoke.auth,
        "admin panel": smoke.admin_panel,
        "inference, whole": smoke.whole,
        "inference, streamed": smoke.streamed,
        "inference, /v1/responses": smoke.responses,
        "metering": smoke.metering,
        "rate limit": smoke.rate_limit,
        "cleanup": smoke.cleanup,
    }
