"""GET /v1/usage and /v1/usage/{request_id}: a key holder's own usage, also when nothing is left to spend; and
the public key that signed receipts are checked with."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.gateway.domain.usage_query import (
    UsageQuery,
    parse_usage_query,
    request_id_of,
    wants_signature,
)
from services.gateway.domain.usage_rows import UsagePage, page_of_receipts, page_of_report, receipt_row
from services.gateway.entrypoints import http
from services.gateway.use_cases.admit import Admission
from services.gateway.use_cases.caller import Caller
from services.gateway.use_cases.read_usage import Usage
from shared.contracts.internal.metering import ReceiptReply
from shared.ids import AccountId

USAGE_PATH = "/v1/usage/"
PUBLIC_KEY_PATH = "/.well-known/promptly-receipts.pem"
CSV = b"text/csv; charset=utf-8"


class UsageList:
    def __init__(self, admission: Admission, usage: Usage) -> None:
        self._admission = admission
        self._usage = usage

    async def __call__(self, scope: Scope, _: Receive, send: Send, caller: Caller) -> None:
        holder = await self._admission.authenticate(caller)
        query = parse_usage_query(http.query(scope), http.header(scope, b"accept"))
        page = await self._page(holder.account_id, query)
        headers = http.rate_headers(caller) + http.ignored_fields_header(query.ignored_fields)
        if query.form == "json":
            await http.send_json(send, 200, http.encode(page.as_json()), headers)
            return
        if page.next_cursor is not None:
            headers.append((b"x-next-cursor", page.next_cursor.encode()))
        await http.send_content(send, 200, page.as_csv().encode(), [(b"content-type", CSV), *headers])

    async def _page(self, account_id: AccountId, query: UsageQuery) -> UsagePage:
        if query.group_by == "request":
            return page_of_receipts(await self._usage.list_requests(account_id, query))
        return page_of_report(await self._usage.report(account_id, query), query.group_by)


class UsageReceipt:
    def __init__(self, admission: Admission, usage: Usage) -> None:
        self._admission = admission
        self._usage = usage

    async def __call__(self, scope: Scope, _: Receive, send: Send, caller: Caller) -> None:
        holder = await self._admission.authenticate(caller)
        request_id = request_id_of(scope["path"].removeprefix(USAGE_PATH))
        get = (
            self._usage.get_signed_receipt if wants_signature(http.query(scope)) else self._usage.get_receipt
        )
        shown = _shown(await get(holder.account_id, request_id))
        await http.send_json(send, 200, http.encode(shown), http.rate_headers(caller))


def _shown(reply: ReceiptReply) -> dict[str, object]:
    """`payload` is what was signed, to the byte; `receipt` the same for reading."""
    receipt: dict[str, object] = {"object": "usage.receipt", "receipt": receipt_row(reply.receipt)}
    if reply.payload is None:
        return receipt
    signed = {
        "payload": reply.payload,
        "signature": reply.signature,
        "algorithm": "Ed25519",
        "public_key_id": reply.public_key_id,
        "public_key_path": PUBLIC_KEY_PATH,
    }
    return receipt | signed


class PublicKey:
    """For everybody, so that a receipt can be checked without us."""

    def __init__(self, usage: Usage) -> None:
        self._usage = usage

    async def show(self, _: Request) -> Response:
        pem = await self._usage.public_key_pem()
        return Response(
            pem, media_type="application/x-pem-file", headers={"cache-control": "public, max-age=300"}
        )
