"""Accounts, billing and the model server as the audit meets them: what each says is the test's to set."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import FastAPI, Response
from pydantic import SecretStr

from shared.contracts.internal.accounts import AccountPage, AccountSeen
from shared.contracts.internal.billing import Purchase, PurchasePage
from shared.http.internal import InternalClient
from shared.ids import AccountId
from tests.support.in_process import loopback_socket, serving

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TOKENS = (SecretStr("an-internal-token"),)
NOBODY = "http://127.0.0.1:9"
"""Nothing listens there."""


@dataclass
class Neighbours:
    """`pages`: how many rows a page of theirs has."""

    registrations: dict[str, AccountSeen] = field(default_factory=dict)
    orders: dict[str, Purchase] = field(default_factory=dict)
    counters: tuple[int, int, int] = (0, 0, 0)
    model_process: str = ""
    rows_per_page: int = 2

    def register(self, account_id: AccountId, *, has_trial: bool = True) -> None:
        seen = AccountSeen(account_id=account_id, registered_at=LONG_AGO, has_trial=has_trial)
        self.registrations[account_id] = seen

    def sell(self, account_id: AccountId, purchase_id: str, tokens: int, *, is_credited: bool = True) -> None:
        self.orders[purchase_id] = Purchase(
            purchase_id=purchase_id,
            account_id=account_id,
            pack="starter",
            tokens=tokens,
            tokens_reversed=0,
            is_credited=is_credited,
            is_frozen=False,
            amount_cents=50,
            currency="usd",
            method="stripe",
            state="paid" if is_credited else "open",
            receipt_number=None,
            created_at=LONG_AGO,
            paid_at=LONG_AGO if is_credited else None,
        )

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/internal/accounts")
        async def accounts(after: str = "") -> AccountPage:
            ids, next_after = self._page(sorted(self.registrations), after)
            return AccountPage(
                accounts=tuple(self.registrations[each] for each in ids), next_after=next_after
            )

        @app.get("/internal/purchases")
        async def purchases(after: str = "") -> PurchasePage:
            ids, next_after = self._page(sorted(self.orders), after)
            return PurchasePage(purchases=tuple(self.orders[each] for each in ids), next_after=next_after)

        @app.get("/metrics")
        async def metrics() -> Response:
            processed, cached, predicted = self.counters
            return Response(
                f"# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total {processed:g}\n"
                f"llamacpp:prompt_tokens_cached_total {cached:g}\nllamacpp:tokens_predicted_total {predicted:g}\n",
                headers={"Process-Start-Time-Unix": self.model_process} if self.model_process else {},
            )

        return app

    def _page(self, ids: list[str], after: str) -> tuple[list[str], str | None]:
        rest = [each for each in ids if each > after]
        shown = rest[: self.rows_per_page]
        return shown, shown[-1] if len(rest) > len(shown) else None


@asynccontextmanager
async def clients(
    accounts_url: str, billing_url: str
) -> AsyncIterator[tuple[InternalClient, InternalClient]]:
    async with AsyncExitStack() as stack:
        accounts, billing = [
            await stack.enter_async_context(InternalClient(url, TOKENS))
            for url in (accounts_url, billing_url)
        ]
        yield accounts, billing


@asynccontextmanager
async def answering(neighbours: Neighbours) -> AsyncIterator[str]:
    """The URL at which all of them answer."""
    async with serving(neighbours.app(), loopback_socket()) as url:
        yield url
