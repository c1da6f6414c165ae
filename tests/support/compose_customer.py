"""A customer of a system in containers: registers, finds the key in the mails' volume, asks."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.support.compose_project import ComposeProject
from tests.support.wait_until import wait_until

MAIL_WITHIN_SECONDS = 30
KNOWN_WITHIN_SECONDS = 30
ATTEMPTS_MAX = 5
QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 24}


@dataclass(frozen=True, slots=True)
class Customer:
    url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def ask(self, **body: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}/v1/chat/completions", json={**QUESTION, **body}, headers=self.headers, timeout=60
        )

    def ask_until_answered(self, **body: Any) -> httpx.Response:
        """As an SDK does: again after what is worth repeating, a few times."""
        for attempt in range(ATTEMPTS_MAX):
            try:
                answer = self.ask(**body)
                if answer.status_code < 500:
                    return answer
            except httpx.TransportError:
                pass
            time.sleep(0.5 * 2**attempt)
        raise AssertionError("no answer, however often it was asked")

    def listen(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """The events of a streamed answer, each with the moment it came."""
        body = {**QUESTION, "stream": True, "stream_options": {"include_usage": True}}
        url = f"{self.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=self.headers, timeout=60) as reply:
            assert reply.status_code == 200, reply.read()
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    yield time.monotonic(), json.loads(line.removeprefix("data: "))

    def available(self) -> int:
        return int(httpx.get(f"{self.url}/v1/balance", headers=self.headers, timeout=10).json()["available"])


def register(project: ComposeProject, url: str) -> Customer:
    """Returns once the ledger knows the account."""
    address = f"ada-{uuid4().hex[:12]}@example.com"
    page = httpx.post(f"{url}/register", data={"email": address}, timeout=30)
    assert page.status_code == 200, page.text
    mailed = re.compile(rf"To: {re.escape(address)}.*?(sk-[0-9A-Za-z]{{44}})", re.DOTALL)
    wait_until(lambda: address in _mails(project), MAIL_WITHIN_SECONDS)
    found = mailed.search(project.mails())
    assert found is not None, "a mail without a key"
    customer = Customer(url, found[1])
    wait_until(lambda: _is_known(customer), KNOWN_WITHIN_SECONDS)
    return customer


def _mails(project: ComposeProject) -> str:
    return project.run_in("notifier", "sh", "-c", "cat /mails/*.eml 2>/dev/null || true")


def _is_known(customer: Customer) -> bool:
    return httpx.get(f"{customer.url}/v1/balance", headers=customer.headers, timeout=10).is_success
