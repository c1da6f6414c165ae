"""A person at the public door: registers by the form, reads their mail, calls /v1, looks at the dashboard."""

import asyncio
import email
import email.policy
import re
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
from openai.types.chat import ChatCompletionMessageParam

from tests.support.eventually import eventually

KEY_IN_MAIL = re.compile(r"\bsk-[0-9A-Za-z]{44}\b")
MAIL_WITHIN_SECONDS = 10
ANSWER_WITHIN_SECONDS = 120
ATTEMPTS_MAX = 5
CAPITAL_OF_FRANCE: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France?"}
]


@dataclass
class Person:
    base_url: str
    mail_folder: Path
    address: str = field(default_factory=lambda: f"ada-{uuid4().hex[:12]}@example.com")
    keys: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.keys[-1]

    async def register(self) -> httpx.Response:
        """Sends the form; the key is in `self.key` once its mail has arrived."""
        async with self.browser() as browser:
            page = await browser.post("/register", data={"email": self.address})
        assert page.status_code == 200, page.text
        await eventually(self.new_key_has_arrived, within_seconds=MAIL_WITHIN_SECONDS)
        return page

    async def ask(self, key: str | None = None, **body: object) -> httpx.Response:
        """One call of /v1/chat/completions; waits for the ledger to know a new account, as an SDK would."""
        question = {"model": "any", "messages": CAPITAL_OF_FRANCE, "max_tokens": 24, **body}
        async with self.client(key) as client:
            for _ in range(ATTEMPTS_MAX):
                answer = await client.post("/v1/chat/completions", json=question)
                if answer.status_code != 503:
                    return answer
                await asyncio.sleep(float(answer.headers["retry-after"]))
        raise AssertionError(answer.text)

    async def dashboard(self) -> httpx.Response:
        async with self.browser() as browser:
            return await browser.get("/dashboard", params={"key": self.key})

    async def available(self) -> int:
        async with self.client() as client:
            return int((await client.get("/v1/balance")).json()["available"])

    def client(self, key: str | None = None) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx.AsyncClient(base_url=self.base_url, headers=headers, timeout=ANSWER_WITHIN_SECONDS)

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.base_url, headers={"accept": "text/html"}, timeout=30)

    async def new_key_has_arrived(self) -> bool:
        mailed = {key for text in self.mails() for key in KEY_IN_MAIL.findall(text)}
        new = mailed - set(self.keys)
        self.keys.extend(new)
        return bool(new)

    def mails(self) -> list[str]:
        """The text parts of what was mailed to this address."""
        files = sorted(self.mail_folder.glob("*.eml"))
        mails = [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in files]
        texts = [mail.get_body(("plain",)) for mail in mails if self.address in str(mail["To"])]
        return [text.get_content() for text in texts if text is not None]
