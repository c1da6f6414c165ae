"""GET /purchases.csv: every purchase for the operator's books, from an allowed network and with the admin key."""

import hmac
from dataclasses import dataclass, field

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import SecretStr

from services.billing.use_cases.read_purchases import ReadPurchases
from shared.errors import Kind, PromptlyError
from shared.http.client_address import client_address, is_within
from shared.setting_values import Network

BEARER = "bearer "
HEADERS = {
    "content-disposition": 'attachment; filename="purchases.csv"',
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}

log = structlog.get_logger()


class NotTheOperator(PromptlyError):
    kind = Kind.FORBIDDEN
    code = "forbidden"

    def __init__(self) -> None:
        super().__init__("This page is for the operator.")


@dataclass(frozen=True, slots=True)
class ExportDoor:
    """The network is checked first. Without an admin key nobody is the operator."""

    purchases: ReadPurchases
    allowed: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]
    admin_key: SecretStr = field(repr=False)

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/purchases.csv", self.download, methods=["GET"], response_model=None)
        return router

    async def download(self, request: Request) -> StreamingResponse:
        self._check_network(request)
        self._check_key(request)
        log.info("purchases_exported")
        return StreamingResponse(
            self.purchases.as_csv(), media_type="text/csv; charset=utf-8", headers=HEADERS
        )

    def _check_network(self, request: Request) -> None:
        peer = request.client.host if request.client else ""
        if "x-forwarded-for" in request.headers and not is_within(peer, self.trusted_proxies):
            log.warning("forwarded_by_a_stranger", peer=peer)
            raise NotTheOperator
        if not is_within(client_address(request.scope, self.trusted_proxies), self.allowed):
            raise NotTheOperator

    def _check_key(self, request: Request) -> None:
        expected = self.admin_key.get_secret_value().encode()
        if not expected or not hmac.compare_digest(_given_key(request).encode(), expected):
            raise NotTheOperator


def _given_key(request: Request) -> str:
    """As `Authorization: Bearer` or, as the admin page takes it, as `?key=`."""
    header = request.headers.get("authorization", "")
    if header.lower().startswith(BEARER):
        return header[len(BEARER) :].strip()
    return request.query_params.get("key", "")
