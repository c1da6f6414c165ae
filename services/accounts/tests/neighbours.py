"""Stand-ins for what metering, billing and notifier answer to the operator's pages, all at one address."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from services.accounts.tests.facts import NOW
from services.accounts.tests.ledger_stand_in import LedgerStandIn
from shared.contracts.internal.billing import (
    DecideRequest,
    PaymentMethods,
    Purchase,
    PurchasesReply,
    Review,
    ReviewsReply,
)
from shared.contracts.internal.gateway import GatewayStatus
from shared.contracts.internal.metering import (
    AccountsRequest,
    AccountTotals,
    AdjustRequest,
    BalanceReply,
    EntryPage,
    EntrySeen,
    GrantRequest,
    GrantsReply,
    RankedAccounts,
    Receipt,
    ReceiptPage,
    ReceiptReply,
    SystemTotals,
    TotalsReply,
    UsageReport,
    UsageRow,
)
from shared.contracts.internal.notifier import MailDoor, MailSeen, MailsReply
from shared.errors import Kind
from shared.http.errors import error_body


@dataclass
class Neighbours(LedgerStandIn):
    """Remembers what it was asked to do, and does each once by its id."""

    done: dict[UUID, BalanceReply] = field(default_factory=dict)
    purchases: list[Purchase] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    mails: list[MailSeen] = field(default_factory=list)
    methods: tuple[Any, ...] = ("stripe",)
    mail_door: Any = "smtp"
    mail_fault: str | None = None
    decided: list[tuple[str, str]] = field(default_factory=list)
    resent: list[str] = field(default_factory=list)
    model: str | None = "gpt-oss-20b-mxfp4.gguf"
    asked_in_vain: set[str] = field(default_factory=set)

    def app(self) -> FastAPI:
        app = super().app()
        self._add_ledger(app)
        self._add_usage(app)
        self._add_overview(app)
        self._add_sales(app)
        self._add_mails(app)
        self._add_status(app)
        return app

    def _add_ledger(self, app: FastAPI) -> None:
        @app.post("/internal/accounts/{account_id}/adjust", response_model=None)
        async def adjust(account_id: str, request: AdjustRequest) -> BalanceReply | JSONResponse:
            if account_id not in self.balances:
                self.asked_in_vain.add(account_id)
                return JSONResponse({}, 404)
            if -request.delta > self.balances[account_id].paid:
                message = "More is to be taken than the paid balance has."
                return JSONResponse(error_body(message, Kind.INVALID, code="insufficient_balance"), 400)
            return self._change(account_id, request.adjustment_id, paid=request.delta)

        @app.post("/internal/accounts/{account_id}/grants")
        async def grant(account_id: str, request: GrantRequest) -> BalanceReply:
            return self._change(account_id, request.grant_id, trial=request.tokens)

        @app.get("/internal/accounts/{account_id}/grants")
        async def grants(account_id: str) -> GrantsReply:
            return GrantsReply(grants=())

        @app.get("/internal/accounts/{account_id}/entries")
        async def entries(account_id: str) -> EntryPage:
            entry = EntrySeen(
                entry_id=1,
                grant_id=UUID(int=1),
                kind="adjustment",
                tokens=-5,
                request_id=None,
                reason="by hand",
                created_at=NOW,
            )
            return EntryPage(entries=(entry,), next_before=None)

    def _add_usage(self, app: FastAPI) -> None:
        @app.get("/internal/accounts/{account_id}/usage/report")
        async def report(account_id: str, group_by: Any) -> UsageReport:
            rows = [
                UsageRow(
                    group=each.key_id,
                    requests=1,
                    tokens_prompt=each.tokens_prompt,
                    tokens_completion=each.tokens_completion,
                    tokens_cached=0,
                )
                for each in self.receipts
            ]
            return UsageReport(group_by=group_by, since=NOW, until=NOW, rows=tuple(rows), next_cursor=None)

        @app.get("/internal/accounts/{account_id}/usage/requests", response_model=None)
        async def requests(
            account_id: str, key_id: str | None = None, cursor: str | None = None
        ) -> ReceiptPage | JSONResponse:
            if cursor == "broken":
                return JSONResponse(error_body("No such cursor.", Kind.INVALID, code="invalid_cursor"), 400)
            found = [each for each in self.receipts if key_id in (None, each.key_id)]
            return ReceiptPage(since=NOW, until=NOW, receipts=tuple(found), next_cursor=None)

        @app.get("/internal/accounts/{account_id}/usage/requests/{request_id}", response_model=None)
        async def receipt(account_id: str, request_id: UUID) -> ReceiptReply | JSONResponse:
            for each in self.receipts:
                if (each.account_id, each.request_id) == (account_id, request_id):
                    payload = each.model_dump_json()
                    return ReceiptReply(
                        receipt=each, payload=payload, signature="c2lnbmVk", public_key_id="k1"
                    )
            return JSONResponse({}, 404)

    def _add_overview(self, app: FastAPI) -> None:
        @app.post("/internal/balances")
        async def balances(request: AccountsRequest) -> TotalsReply:
            known = [self.balances[each] for each in request.account_ids if each in self.balances]
            return TotalsReply(
                accounts=tuple(
                    AccountTotals(balance=each, requests=1, tokens_used=each.trial) for each in known
                )
            )

        @app.get("/internal/accounts")
        async def ranked(offset: int, limit: int, descending: bool) -> RankedAccounts:
            order = sorted(self.balances.values(), key=lambda each: each.available, reverse=descending)
            ids = [each.account_id for each in order]
            return RankedAccounts(account_ids=tuple(ids[offset : offset + limit]), total=len(ids))

        @app.get("/internal/totals")
        async def totals(days: int) -> SystemTotals:
            used = [day for each in self.usage.values() for day in each.days]
            available = sum(each.available for each in self.balances.values())
            return SystemTotals(
                accounts=len(self.balances), tokens_available=available, tokens_debt=0, days=tuple(used)
            )

    def _add_sales(self, app: FastAPI) -> None:
        @app.get("/internal/payment-methods")
        async def methods() -> PaymentMethods:
            return PaymentMethods(methods=self.methods)

        @app.get("/internal/accounts/{account_id}/purchases")
        async def purchases(account_id: str) -> PurchasesReply:
            return PurchasesReply(
                purchases=tuple(each for each in self.purchases if each.account_id == account_id)
            )

        @app.get("/internal/reviews")
        async def reviews() -> ReviewsReply:
            return ReviewsReply(reviews=tuple(self.reviews))

        @app.post("/internal/reviews/{review_id}/decide", response_model=None)
        async def decide(review_id: str, request: DecideRequest) -> Purchase | JSONResponse:
            known = {each.review_id: each for each in self.reviews}
            if review_id not in known:
                return JSONResponse(error_body("No such review.", Kind.NOT_FOUND, code="not_found"), 404)
            self.decided.append((review_id, request.decision))
            return known[review_id].purchase

    def _add_status(self, app: FastAPI) -> None:
        @app.get("/internal/status")
        async def status() -> GatewayStatus:
            return GatewayStatus(model=self.model, since=NOW if self.model else None, running=3, waiting=2)

    def _add_mails(self, app: FastAPI) -> None:
        @app.get("/internal/mail-door")
        async def door() -> MailDoor:
            return MailDoor(goes_to=self.mail_door, fault=self.mail_fault)

        @app.get("/internal/accounts/{account_id}/mails")
        async def mails_of(account_id: str) -> MailsReply:
            return MailsReply(mails=tuple(each for each in self.mails if each.account_id == account_id))

        @app.get("/internal/mails/failed")
        async def mails() -> MailsReply:
            return MailsReply(mails=tuple(self.mails))

        @app.post("/internal/mails/{mail_id}/resend", status_code=202)
        async def resend(mail_id: str) -> dict[str, str]:
            self.resent.append(mail_id)
            return {}

    def _change(self, account_id: str, change_id: UUID, *, paid: int = 0, trial: int = 0) -> BalanceReply:
        if change_id not in self.done:
            known = self.balances[account_id]
            changed = {"available": known.available + paid + trial, "paid": known.paid + paid}
            self.balances[account_id] = known.model_copy(update={**changed, "trial": known.trial + trial})
            self.done[change_id] = self.balances[account_id]
        return self.balances[account_id]
