"""Virtual clients of /v1: whole and streamed, chats and responses, some walk away, some meet a bad upstream."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.chaos.history import Asked, End, History, now
from tests.chaos.http_client import STAYS, Heard, Leaves, post
from tests.chaos.upstream import Order

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
TOKEN_IN = {CHAT: b'"content":" word"', RESPONSES: b'"delta":" word"'}
LAST_WORDS = {CHAT: b"data: [DONE]", RESPONSES: b'"type":"response.completed"'}
LIES = ("zero", "huge", "negative", "text", "missing")


@dataclass(slots=True)
class Account:
    """A key, and a number for each request: no two prompts of an account are equally long, so that what was
    generated and what was charged can be laid side by side."""

    key: str
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def account_id(self) -> str:
        return self.key[3:11]

    def next_number(self) -> int:
        return int(next(self._numbers))

    def with_key(self, key: str) -> "Account":
        """The same account by another key of its own."""
        return Account(key, self._numbers)


@dataclass(frozen=True, slots=True)
class Question:
    order: Order
    words: int
    api: str = CHAT
    is_stream: bool = True
    max_tokens: int = 60
    leaves: Leaves = STAYS

    @property
    def tokens_prompt(self) -> int:
        return 5 + self.words

    def body(self) -> bytes:
        prompt = self.order.as_prompt(self.words)
        if self.api == RESPONSES:
            said: Mapping[str, Any] = {"input": prompt, "max_output_tokens": self.max_tokens}
        else:
            said = {"messages": [{"role": "user", "content": prompt}], "max_tokens": self.max_tokens}
        return json.dumps({**said, "stream": self.is_stream}).encode()


class Mix:
    """One generator decides everything: the same seed asks the same questions of each account."""

    def __init__(self, seed: int, pace_ms: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._pace_ms = pace_ms
        self._makers: Sequence[Callable[[Account], Question]] = (
            *(self._stream, self._whole) * 4,
            *(self._response, self._leaver, self._leaver) * 2,
            *(self._whole_left, self._left_at_once, self._broken, self._broken_whole, self._refused),
        )

    def next(self, account: Account) -> Question:
        return self._random.choice(self._makers)(account)

    def lie(self, account: Account) -> Question:
        lies = self._random.choice(LIES)
        return self._question(account, is_stream=self._coin(), lies=lies, tokens=self._random.randint(1, 40))

    def hang(self, account: Account) -> Question:
        """Most lose patience long before the gateway does."""
        leaves = Leaves(after_seconds=2.0) if self._random.random() < 0.8 else STAYS
        after = self._random.randint(0, 8)
        return self._question(account, is_stream=self._coin(), hangs_after=after, tokens=20, leaves=leaves)

    def _stream(self, account: Account) -> Question:
        return self._question(account, tokens=self._random.randint(1, 60), pace_ms=self._pace())

    def _whole(self, account: Account) -> Question:
        return self._question(account, is_stream=False, tokens=self._random.randint(1, 60))

    def _response(self, account: Account) -> Question:
        return self._question(
            account, api=RESPONSES, is_stream=self._coin(), tokens=self._random.randint(1, 30)
        )

    def _leaver(self, account: Account) -> Question:
        """At any byte: of the head, of an event, between two."""
        leaves = Leaves(after_bytes=self._random.randint(1, 6000))
        return self._question(account, tokens=40, pace_ms=20, leaves=leaves)

    def _whole_left(self, account: Account) -> Question:
        leaves = Leaves(after_seconds=self._random.uniform(0, 0.2))
        return self._question(account, is_stream=False, tokens=6, pace_ms=25, leaves=leaves)

    def _left_at_once(self, account: Account) -> Question:
        leaves = Leaves(after_seconds=self._random.uniform(0, 0.2))
        return self._question(account, tokens=30, pace_ms=40, leaves=leaves)

    def _broken(self, account: Account) -> Question:
        how: dict[str, Any] = {
            self._random.choice(("dies_after", "ends_after", "fails_after")): self._random.randint(0, 20)
        }
        return self._question(account, tokens=30, pace_ms=2, **how)

    def _broken_whole(self, account: Account) -> Question:
        return self._question(account, is_stream=False, tokens=30, dies_after=self._random.randint(0, 20))

    def _refused(self, account: Account) -> Question:
        return self._question(account, is_stream=self._coin(), refuses=True)

    def _question(
        self,
        account: Account,
        *,
        api: str = CHAT,
        is_stream: bool = True,
        leaves: Leaves = STAYS,
        **order: Any,
    ) -> Question:
        number = account.next_number()
        name = f"{account.account_id}-{number}"
        return Question(Order(name, **order), number, api=api, is_stream=is_stream, leaves=leaves)

    def _pace(self) -> int:
        return self._random.choice((0, self._pace_ms, 3 * self._pace_ms))

    def _coin(self) -> bool:
        return self._random.random() < 0.5


async def ask(history: History, gateway: str, url: str, account: Account, question: Question) -> Heard:
    """Once: who asks again asks a new question."""
    sent_at = now()
    headers = {"authorization": f"Bearer {account.key}", "content-type": "application/json"}
    heard = await post(url + question.api, question.body(), headers, question.leaves)
    asked = Asked(
        name=question.order.name,
        api=question.api,
        is_stream=question.is_stream,
        gateway=gateway,
        tokens_prompt=question.tokens_prompt,
        sent_at=sent_at,
        ended_at=now(),
        status=heard.status,
        delivered=_delivered(question, heard),
        end=_end_of(question, heard),
        request_id=heard.request_id,
    )
    history.note(asked)
    return heard


def _delivered(question: Question, heard: Heard) -> int:
    if heard.status != 200:
        return 0
    if question.is_stream:
        return heard.body.count(TOKEN_IN[question.api])
    return heard.body.count(b" word") if heard.is_complete else 0


def _end_of(question: Question, heard: Heard) -> End:
    if question.leaves != STAYS and not heard.is_complete:
        return "left"
    if heard.status == 0:
        return "broken"
    if heard.status != 200:
        return "refused"
    if question.is_stream and LAST_WORDS[question.api] not in heard.body:
        return "error" if b'"error"' in heard.body else "broken"
    return "done" if heard.is_complete else "broken"
