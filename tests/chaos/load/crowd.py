"""The crowd of one seed: its accounts, its virtual clients, and the people around them, until it is over."""

import asyncio
import email
import email.policy
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.chaos.history import History
from tests.chaos.load.asking import Account, Mix, Question, ask
from tests.chaos.load.people import People, give
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos
from tests.support.eventually import eventually
from tests.support.person import KEY_IN_MAIL

RICH_TOKENS = 400_000
ARRIVE_WITHIN_SECONDS = 180
PAUSE_AFTER_TROUBLE_SECONDS = 0.2
"""A client that was refused, or found nobody, waits a moment."""


@dataclass(frozen=True, slots=True)
class Size:
    """Small: it is faults that matter, not rates."""

    accounts: int = 8
    poor: int = 2
    clients: int = 20
    pace_ms: int = 15
    lies: float = 0.0
    hangs: float = 0.0
    sells: bool = True


class Crowd:
    def __init__(
        self, chaos: Chaos, history: History, accounts: Sequence[Account], seed: int, size: Size
    ) -> None:
        self.accounts = accounts
        self.people = People(chaos, history, accounts, seed)
        self.is_over = asyncio.Event()
        self._chaos = chaos
        self._history = history
        self._mix = Mix(seed, size.pace_ms)
        self._random = random.Random(seed + 1)  # noqa: S311 - not a secret
        self._size = size

    async def run(self) -> None:
        """Ends when each who has begun has their answer."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._size.clients):
                group.create_task(self._ask(number))
            if not self._size.sells:
                return
            people = self.people
            for act, every_seconds in (
                (people.buy, 0.8),
                (people.change_manner, 2.0),
                (people.register, 1.0),
                (people.change_balance, 1.0),
                (people.revoke, 0.5),
            ):
                group.create_task(self._act(act, every_seconds))

    async def _ask(self, number: int) -> None:
        while not self.is_over.is_set():
            account = self._random.choice(self.accounts)
            gateway = GATEWAYS[number % len(GATEWAYS)]
            heard = await ask(
                self._history, gateway, self._chaos.url(gateway), account, self._question(account)
            )
            await asyncio.sleep(0.02 if heard.status == 200 else PAUSE_AFTER_TROUBLE_SECONDS)

    def _question(self, account: Account) -> Question:
        dice = self._random.random()
        if dice < self._size.lies:
            return self._mix.lie(account)
        if dice < self._size.lies + self._size.hangs:
            return self._mix.hang(account)
        return self._mix.next(account)

    async def _act(self, act: Callable[[], Awaitable[None]], every_seconds: float) -> None:
        while not self.is_over.is_set():
            await act()
            await asyncio.sleep(every_seconds)


@asynccontextmanager
async def crowd(chaos: Chaos, history: History, seed: int, size: Size) -> AsyncIterator[Crowd]:
    accounts = await newcomers(chaos, f"crowd-{seed}", size.accounts)
    for account in accounts[size.poor :]:
        await give(chaos, account, RICH_TOKENS)
    gathered = Crowd(chaos, history, accounts, seed, size)
    running = asyncio.create_task(gathered.run())
    try:
        yield gathered
    finally:
        gathered.is_over.set()
        await running


async def newcomers(chaos: Chaos, prefix: str, many: int) -> list[Account]:
    """Registered at the public door; known to the ledger and to the gateways."""
    known = _mails_in(chaos.mail_server.folder)
    addresses = [f"{prefix}-{number}-{len(known)}@example.com" for number in range(many)]
    async with httpx.AsyncClient(base_url=chaos.base_url, timeout=60) as client:
        for address in addresses:
            page = await client.post("/register", data={"email": address})
            assert page.status_code == 200, page.text

        async def have_their_keys() -> dict[str, str]:
            keys = _keys_of(_mails_in(chaos.mail_server.folder) - known)
            found = {address: keys[address] for address in addresses if address in keys}
            return found if len(found) == many else {}

        keys = await eventually(have_their_keys, ARRIVE_WITHIN_SECONDS)
        accounts = [Account(keys[address]) for address in addresses]
        for address, account in zip(addresses, accounts, strict=True):
            chaos.emails[account.account_id] = address
            chaos.keys.append(account.key)
            await _until_known(client, account)
    return accounts


async def _until_known(client: httpx.AsyncClient, account: Account) -> None:
    async def has_its_trial() -> bool:
        headers = {"authorization": f"Bearer {account.key}"}
        return (await client.get("/v1/balance", headers=headers)).status_code == 200

    await eventually(has_its_trial, ARRIVE_WITHIN_SECONDS)


def _mails_in(folder: Path) -> set[Path]:
    return set(folder.glob("[!.]*.eml"))


def _keys_of(mails: set[Path]) -> dict[str, str]:
    """By address."""
    found: dict[str, str] = {}
    for path in mails:
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        text = message.get_body(("plain",))
        for key in KEY_IN_MAIL.findall(text.get_content() if text else ""):
            found[str(message["To"])] = key
    return found
