"""A stand-in for metering's internal API, on a real port: knows the accounts it is told of."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TypeVar

import uvicorn
from fastapi import FastAPI, HTTPException

from shared.contracts.internal.metering import BalanceReply, UsageDay, UsageReply
from tests.support.eventually import eventually

T = TypeVar("T")

StandInT = TypeVar("StandInT", bound="LedgerStandIn")

TRIAL_ENDS_AT = datetime(2126, 11, 30, 9, 15, tzinfo=UTC)


@dataclass
class LedgerStandIn:
    url: str = ""
    balances: dict[str, BalanceReply] = field(default_factory=dict)
    usage: dict[str, UsageReply] = field(default_factory=dict)

    def knows(self, account_id: str, *, trial: int = 0, paid: int = 0, debt: int = 0) -> None:
        self.balances[account_id] = BalanceReply(
            account_id=account_id,
            available=max(0, trial + paid - debt),
            paid=paid,
            trial=trial,
            trial_expires_at=TRIAL_ENDS_AT if trial else None,
            debt=debt,
        )
        self.usage.setdefault(account_id, UsageReply(days=()))

    def used(self, account_id: str, day: date, *, requests: int, prompt: int, completion: int) -> None:
        used = UsageDay(day=day, requests=requests, tokens_prompt=prompt, tokens_completion=completion)
        self.usage[account_id] = UsageReply(days=(used, *self.usage[account_id].days))

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/internal/accounts/{account_id}/balance")
        async def balance(account_id: str) -> BalanceReply:
            return _known(self.balances, account_id)

        @app.get("/internal/accounts/{account_id}/usage")
        async def usage(account_id: str) -> UsageReply:
            return _known(self.usage, account_id)

        return app


def _known(replies: dict[str, T], account_id: str) -> T:
    if account_id not in replies:
        raise HTTPException(404)
    return replies[account_id]


@asynccontextmanager
async def answering(ledger: StandInT) -> AsyncIterator[StandInT]:
    config = uvicorn.Config(ledger.app(), port=0, log_config=None, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()

    async def started() -> bool:
        return server.started

    try:
        await eventually(started)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        ledger.url = f"http://{host}:{port}"
        yield ledger
    finally:
        server.should_exit = True
        thread.join()
