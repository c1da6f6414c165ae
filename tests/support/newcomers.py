"""Many accounts at once: all forms sent together, and each mail read only once."""

import asyncio
import email
import email.policy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx

from shared.ids import AccountId
from tests.support.eventually import eventually
from tests.support.orders import Order, prompt_of
from tests.support.person import KEY_IN_MAIL

ARRIVE_WITHIN_SECONDS = 30
FORMS_AT_ONCE = 8


@dataclass(slots=True)
class Newcomer:
    """An account's key, and a number for each request it sends: no two of its prompts are equally long, so
    that what was generated and what was charged can be laid side by side by the prompt's tokens."""

    key: str
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def account_id(self) -> AccountId:
        return AccountId(self.key[3:11])

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def next_body(self, max_tokens: int, *, stream: bool, **order: int) -> dict[str, object]:
        number = next(self._numbers)
        content = prompt_of(Order(f"{self.account_id}-{number}", **order), number)
        return _body(content, max_tokens, stream=stream)

    def smallest_body(self) -> dict[str, object]:
        """A prompt of five tokens and an answer of one."""
        return _body(prompt_of(Order(f"{self.account_id}-smallest"), words=0), max_tokens=1, stream=False)


def _body(content: str, max_tokens: int, *, stream: bool) -> dict[str, object]:
    message = {"role": "user", "content": content}
    return {"messages": [message], "max_tokens": max_tokens, "stream": stream}


async def register(base_url: str, mail_folder: Path, many: int) -> list[Newcomer]:
    known = _mails_in(mail_folder)
    at_once = asyncio.Semaphore(FORMS_AT_ONCE)

    async def send_form(browser: httpx.AsyncClient) -> None:
        async with at_once:
            page = await browser.post("/register", data={"email": f"ada-{uuid4().hex[:12]}@example.com"})
        assert page.status_code == 200, page.text

    async with httpx.AsyncClient(base_url=base_url, timeout=30) as client:
        await asyncio.gather(*(send_form(client) for _ in range(many)))
        keys: set[str] = set()

        async def all_have_their_key() -> bool:
            new = _mails_in(mail_folder) - known
            known.update(new)
            keys.update(key for mail in new for key in _keys_in(mail))
            return len(keys) == many

        await eventually(all_have_their_key, within_seconds=ARRIVE_WITHIN_SECONDS)
        newcomers = [Newcomer(key) for key in sorted(keys)]
        await _until_known(client, newcomers)
    return newcomers


async def _until_known(client: httpx.AsyncClient, newcomers: Sequence[Newcomer]) -> None:
    for newcomer in newcomers:

        async def has_its_trial(headers: dict[str, str] = newcomer.headers) -> bool:
            return (await client.get("/v1/balance", headers=headers)).status_code == 200

        await eventually(has_its_trial, within_seconds=ARRIVE_WITHIN_SECONDS)


def _mails_in(folder: Path) -> set[Path]:
    return set(folder.glob("[!.]*.eml"))


def _keys_in(mail: Path) -> list[str]:
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    text = message.get_body(("plain",))
    return [] if text is None else KEY_IN_MAIL.findall(text.get_content())
