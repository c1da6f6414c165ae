"""Asks metering what an account has used. Raises Unavailable when it does not answer as agreed, and what it
finds wrong with the question as InvalidRequest, or ReceiptsNotSigned."""

from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from services.gateway.domain.errors import InvalidRequest, ReceiptsNotSigned
from services.gateway.domain.usage_query import UsageQuery
from shared.contracts.internal.message import Message
from shared.contracts.internal.metering import ReceiptKey, ReceiptPage, ReceiptReply, UsageReport
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId

Reply = TypeVar("Reply", bound=Message)


class HttpUsage:
    def __init__(self, metering: InternalClient) -> None:
        self._metering = metering

    async def report(self, account_id: AccountId, query: UsageQuery) -> UsageReport:
        params = {**_params(query), "group_by": query.group_by}
        return _read(UsageReport, await self._metering.get(f"{_usage_of(account_id)}/report", params))

    async def list_requests(self, account_id: AccountId, query: UsageQuery) -> ReceiptPage:
        reply = await self._metering.get(f"{_usage_of(account_id)}/requests", _params(query))
        return _read(ReceiptPage, reply)

    async def find_receipt(self, account_id: AccountId, request_id: UUID) -> ReceiptReply | None:
        return await self._find(account_id, request_id, "false")

    async def find_signed_receipt(self, account_id: AccountId, request_id: UUID) -> ReceiptReply | None:
        return await self._find(account_id, request_id, "true")

    async def receipt_key(self) -> ReceiptKey:
        return _read(ReceiptKey, await self._metering.get("/internal/receipts/public-key"))

    async def _find(self, account_id: AccountId, request_id: UUID, signed: str) -> ReceiptReply | None:
        path = f"{_usage_of(account_id)}/requests/{request_id}"
        reply = await self._metering.get(path, {"signed": signed})
        if reply.status_code == 404 and _code_of(reply) != ReceiptsNotSigned.code:
            return None
        return _read(ReceiptReply, reply)


def _usage_of(account_id: AccountId) -> str:
    return f"/internal/accounts/{account_id}/usage"


def _params(query: UsageQuery) -> dict[str, str | int]:
    params: dict[str, str | int] = {"limit": query.limit}
    for name, instant in (("since", query.since), ("until", query.until)):
        if instant is not None:
            params[name] = instant.isoformat()
    if query.cursor is not None:
        params["cursor"] = query.cursor
    return params


def _read(kind: type[Reply], reply: httpx.Response) -> Reply:
    if reply.status_code == 400:
        raise _refused(reply)
    if reply.status_code == 404 and _code_of(reply) == ReceiptsNotSigned.code:
        raise ReceiptsNotSigned
    try:
        return kind.model_validate_json(reply.content)
    except ValidationError as error:
        raise Unavailable("Usage cannot be looked up at the moment.") from error


def _code_of(reply: httpx.Response) -> object:
    try:
        return reply.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None


def _refused(reply: httpx.Response) -> InvalidRequest:
    """In metering's own words, which name the parameter."""
    try:
        error = reply.json()["error"]
        return InvalidRequest(str(error["message"]), param=str(error["param"]))
    except (ValueError, KeyError, TypeError) as unreadable:
        raise Unavailable("Usage cannot be looked up at the moment.") from unreadable
