"""GET /purchases.csv: every purchase for the operator's books. The door is that of the panel: the network first, then
the admin key, which accounts looks at, and counts where it was wrong."""

from dataclasses import dataclass

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from services.billing.use_cases.admit_operator import AdmitOperator
from services.billing.use_cases.read_purchases import ReadPurchases
from shared.http.client_address import limit_subject
from shared.http.operator_network import NotForYou, operator_address
from shared.setting_values import Network

BEARER = "bearer "
HEADERS = {
    "content-disposition": 'attachment; filename="purchases.csv"',
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ExportDoor:
    purchases: ReadPurchases
    admit_operator: AdmitOperator
    allowed: tuple[Network, ...]
    trusted_proxies: tuple[Network, ...]

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/purchases.csv", self.download, methods=["GET"], response_model=None)
        return router

    async def download(self, request: Request) -> StreamingResponse:
        client = operator_address(request, allowed=self.allowed, trusted_proxies=self.trusted_proxies)
        if not await self.admit_operator.has_key(_given_key(request), client=limit_subject(client)):
            raise NotForYou("This needs the admin key.")
        log.info("purchases_exported")
        return StreamingResponse(
            self.purchases.as_csv(), media_type="text/csv; charset=utf-8", headers=HEADERS
        )


def _given_key(request: Request) -> str:
    """As `Authorization: Bearer` or, as the admin page takes it, as `?key=`."""
    header = request.headers.get("authorization", "")
    if header.lower().startswith(BEARER):
        return header[len(BEARER) :].strip()
    return request.query_params.get("key", "")
