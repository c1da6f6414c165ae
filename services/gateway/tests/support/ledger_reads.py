"""metering as the gateway asks it for usage: it remembers the questions and answers from a list of receipts."""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from nacl.signing import SigningKey

from shared.contracts.gateway import Outcome
from shared.contracts.internal.metering import (
    Receipt,
    ReceiptKey,
    ReceiptPage,
    ReceiptReply,
    UsageReport,
    UsageRow,
)
from shared.errors import Kind
from shared.http.errors import error_body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"


def receipt_of(request_id: UUID, account_id: str) -> Receipt:
    return Receipt(
        request_id=request_id,
        account_id=account_id,
        key_id="key-1",
        endpoint="chat.completions",
        model="stand-in-1b.gguf",
        tokens_prompt=5,
        tokens_completion=7,
        tokens_cached=0,
        tokens_charged=12,
        outcome=Outcome.COMPLETED,
        estimated=False,
        revision=2,
        admitted_at=NOW,
        ended_at=NOW + timedelta(seconds=1),
    )


@dataclass
class LedgerReads:
    """`posted_after` looks, a receipt is there. `refusal` is what it finds wrong with every question.
    `knows_every_request`: whatever is asked for has been posted."""

    receipts: dict[UUID, Receipt] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    next_cursor: str | None = None
    refusal: str | None = None
    posted_after: int = 0
    is_down: bool = False
    knows_every_request: bool = False
    signs: bool = True
    key: SigningKey = field(default_factory=SigningKey.generate)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.get("/internal/accounts/{account_id}/usage/report")(self._report)
        app.get("/internal/accounts/{account_id}/usage/requests")(self._requests)
        app.get("/internal/accounts/{account_id}/usage/requests/{request_id}")(self._receipt)
        app.get("/internal/receipts/public-key")(self._key)
        return app

    async def _report(self, account_id: str, request: Request) -> Response:
        groups = {"day": "2026-11-23", "model": "stand-in-1b.gguf"}
        group_by = request.query_params["group_by"]
        row = UsageRow(
            group=groups[group_by], requests=2, tokens_prompt=10, tokens_completion=14, tokens_cached=4
        )
        report = {"group_by": group_by, "rows": (row,), **self._window()}
        return self._answer(request, account_id, UsageReport.model_validate(report))

    async def _requests(self, account_id: str, request: Request) -> Response:
        own = tuple(each for each in self.receipts.values() if each.account_id == account_id)
        page = ReceiptPage.model_validate({"receipts": own, **self._window()})
        return self._answer(request, account_id, page)

    async def _receipt(self, account_id: str, request_id: UUID, request: Request) -> Response:
        receipt = self.receipts.get(request_id)
        if self.knows_every_request:
            receipt = receipt_of(request_id, account_id)
        looks = len(self.asked) + 1
        if receipt is None or receipt.account_id != account_id or looks <= self.posted_after:
            self.asked.append({"account_id": account_id})
            return Response(status_code=404)
        reply = ReceiptReply(receipt=receipt)
        if request.query_params["signed"] == "true" and not self.signs:
            return _not_signed()
        if request.query_params["signed"] == "true":
            payload = receipt.model_dump_json()
            signature = b64encode(self.key.sign(payload.encode()).signature).decode()
            reply = ReceiptReply(
                receipt=receipt, payload=payload, signature=signature, public_key_id="key-id"
            )
        return self._answer(request, account_id, reply)

    async def _key(self, request: Request) -> Response:
        if not self.signs:
            return _not_signed()
        return self._answer(request, "", ReceiptKey(public_key_id="key-id", public_key_pem=PEM))

    def _answer(self, request: Request, account_id: str, message: Any) -> Response:
        self.asked.append({"account_id": account_id, **request.query_params})
        if self.is_down:
            return Response(status_code=503)
        if self.refusal is not None:
            body = error_body("It cannot be.", Kind.INVALID, code="invalid_window", param=self.refusal)
            return JSONResponse(body, 400)
        return Response(message.model_dump_json(), media_type="application/json")

    def _window(self) -> dict[str, Any]:
        return {"since": NOW - timedelta(days=30), "until": NOW, "next_cursor": self.next_cursor}


def _not_signed() -> Response:
    return JSONResponse(error_body("Not signed.", Kind.NOT_FOUND, code="receipts_not_signed"), 404)
