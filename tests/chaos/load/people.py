"""Those who do other things than ask: buyers, newcomers, operators, and people who revoke keys."""

import asyncio
import json
import random
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from deploy.local.fakes.delivery import MANNERS
from shared.api_keys import display_of
from shared.ids import new_uuid7
from tests.chaos.history import Changed, History, Ordered, Registered, Revoked, Tried, now
from tests.chaos.http_client import PATIENCE_SECONDS, Heard, post
from tests.chaos.load.asking import Account, Question, ask
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos
from tests.chaos.upstream import Order
from tests.support.eventually import eventually

FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
AGAIN_SECONDS = 0.5
FATES = (
    "pay",
    "pay",
    "pay and refund half",
    "pay and refund all",
    "walk away",
    "dispute and win",
    "dispute and lose",
)
TRIES_BEFORE_REVOKING = 3
TRIED_FOR_SECONDS = 1.5
TRY_EVERY_SECONDS = 0.1
GIVEN_WITHIN_SECONDS = 120
UNANSWERED = (0, 502, 503, 504)


class People:
    """All of them share one seeded generator, and the history. `revoked`: keys of which the end was answered."""

    def __init__(self, chaos: Chaos, history: History, accounts: Sequence[Account], seed: int) -> None:
        self._chaos = chaos
        self._history = history
        self._accounts = accounts
        self._random = random.Random(seed)  # noqa: S311 - not a secret
        self._seed = seed
        self.revoked: list[str] = []

    async def buy(self) -> None:
        """A checkout, and what becomes of the money; events are delivered in whatever manner is in force."""
        account = self._random.choice(self._accounts)
        method = self._random.choice(("stripe", "btcpay"))
        order_id, fate = str(new_uuid7()), self._random.choice(FATES)
        form = {"pack": "starter", "method": method, "key": account.key, "order": order_id}
        reply = await self._post("/checkout", form)
        if reply.status != 303:
            return
        page = json.loads(reply.body)["checkout_url"]
        provider_id = urlsplit(page).path.rsplit("/", 1)[-1]
        self._history.note(Ordered(order_id, provider_id, method, account.account_id, now()))
        if method == "stripe":
            await self._fate_at_stripe(provider_id, fate)
        else:
            await self._fate_at_btcpay(provider_id, fate)

    async def _fate_at_stripe(self, session_id: str, fate: str) -> None:
        store = self._chaos.fakes.stripe
        if fate == "walk away":
            return
        session = store.session(session_id)
        store.pay(session)
        await asyncio.sleep(self._random.uniform(0, 1.5))
        if fate == "pay and refund half":
            store.refund(session, session["amount_total"] // 2)
        elif fate == "pay and refund all":
            store.refund(session, session["amount_total"])
        elif fate.startswith("dispute"):
            dispute = store.dispute(session, "needs_response")
            await asyncio.sleep(self._random.uniform(0, 1.0))
            store.close_dispute(dispute, "won" if fate.endswith("win") else "lost")

    async def _fate_at_btcpay(self, invoice_id: str, fate: str) -> None:
        store = self._chaos.fakes.btcpay
        if fate == "walk away":
            return
        invoice = store.invoices[invoice_id]
        store.pay(invoice)
        await asyncio.sleep(self._random.uniform(0, 1.0))
        store.settle(invoice)

    async def change_manner(self) -> None:
        """How the providers deliver from now on. Never for ever: what is lost then is for reconciliation."""
        names = ("honest", "three copies of each", "the wrong way round", "five seconds late")
        self._chaos.fakes.engine.manner = MANNERS[self._random.choice(names)]
        self._chaos.fakes.stripe_events.format = self._random.choice(("snapshot", "thin", "both"))

    async def register(self) -> None:
        email = f"new-{self._seed}-{self._random.randrange(10**9)}@example.com"
        reply = await self._post("/register", {"email": email})
        if reply.status == 200:
            self._history.note(Registered(email, now()))

    async def change_balance(self) -> None:
        """Adds, deducts or gives, under one id until somebody answers: an operator who gets no answer tries again."""
        account = self._random.choice(self._accounts)
        action_id = str(new_uuid7())
        delta = self._random.choice((500, 2000, -300, -100))
        email = self._chaos.emails[account.account_id]
        form = {"email": email, "delta": str(delta), "action_id": action_id}
        status = await self._until_answered("/admin/adjust", form)
        is_done = status == 200
        self._history.note(Changed(action_id, account.account_id, delta, is_done, now()))

    async def revoke(self) -> None:
        """Makes a key, uses it on every gateway, revokes it, and tries it again until it is refused."""
        account = self._random.choice(self._accounts)
        made = await self._post("/dashboard/keys", {"key": account.key, "name": "chaos"})
        if made.status != 201:
            return
        key, key_id = made.json()["key"], made.json()["key_id"]
        self._chaos.keys.append(key)
        second = account.with_key(key)
        for at in range(TRIES_BEFORE_REVOKING):
            await self._try(second, GATEWAYS[at % len(GATEWAYS)])
        reply = await self._post(f"/dashboard/keys/{key_id}/revoke", {"key": account.key})
        if reply.status != 200:
            return
        self._history.note(Revoked(display_of(key), now()))
        self.revoked.append(key)
        until = now() + TRIED_FOR_SECONDS
        while now() < until:
            await asyncio.gather(*(self._try(second, gateway) for gateway in GATEWAYS))
            await asyncio.sleep(TRY_EVERY_SECONDS)

    async def _try(self, account: Account, gateway: str) -> None:
        sent_at, words = now(), account.next_number()
        order = Order(f"{account.account_id}-{words}", tokens=1)
        question = Question(order, words, is_stream=False, max_tokens=1)
        heard = await ask(self._history, gateway, self._chaos.url(gateway), account, question)
        self._history.note(Tried(display_of(account.key), sent_at, heard.status))

    async def _until_answered(self, path: str, form: dict[str, str]) -> int:
        deadline = now() + PATIENCE_SECONDS
        sent = {**form, "key": self._chaos.secrets["ADMIN_KEY"]}
        while (reply := await self._post(path, sent)).status in UNANSWERED and now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(AGAIN_SECONDS)
        return reply.status

    async def _post(self, path: str, form: dict[str, str]) -> Heard:
        return await post(self._chaos.base_url + path, urlencode(form).encode(), FORM)


async def give(chaos: Chaos, account: Account, tokens: int) -> None:
    """Paid tokens from the operator, before anything breaks."""
    form = {
        "email": chaos.emails[account.account_id],
        "delta": str(tokens),
        "key": chaos.secrets["ADMIN_KEY"],
        "action_id": str(new_uuid7()),
    }
    body = urlencode(form).encode()

    async def is_given() -> bool:
        return (await post(f"{chaos.base_url}/admin/adjust", body, FORM)).status == 200

    await eventually(is_given, GIVEN_WITHIN_SECONDS)
