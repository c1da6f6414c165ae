"""A purchase's page: where the customer comes back to, and the receipt to print. Its address has no secret in it,
so who has neither session nor key sees only how the payment stands."""

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response

from services.billing.domain.buyers import Buyer
from services.billing.domain.orders import OrderId, State
from services.billing.domain.payment_methods import TITLES, Method
from services.billing.domain.purchases import Purchase
from services.billing.entrypoints.answers import Answers
from services.billing.entrypoints.forms import read_form
from services.billing.entrypoints.internal import as_message
from services.billing.entrypoints.signed_in import find_reader, get_sender
from services.billing.use_cases.identify_buyer import IdentifyBuyer
from services.billing.use_cases.read_purchases import ReadPurchases
from shared.errors import Kind, PromptlyError

PRINT_STYLE = Path(__file__).parents[1] / "static" / "print.css"
WAITING = (State.OPEN, State.PROCESSING)


class UnknownPurchase(PromptlyError):
    kind = Kind.NOT_FOUND
    code = "unknown_purchase"

    def __init__(self) -> None:
        super().__init__("There is no such purchase on this account.")


@dataclass(frozen=True, slots=True)
class ReceiptDoor:
    answers: Answers
    identify: IdentifyBuyer
    purchases: ReadPurchases

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/purchases/print.css", print_style, methods=["GET"], response_model=None)
        router.add_api_route("/purchases/{purchase_id}", self.show, methods=["GET"], response_model=None)
        router.add_api_route("/purchases/{purchase_id}", self.open, methods=["POST"], response_model=None)
        return router

    async def show(self, request: Request, purchase_id: str) -> Response:
        purchase = await self._get(purchase_id)
        reader = await find_reader(request, self.identify)
        if reader is None or reader.account_id != purchase.account_id:
            return self._standing(request, purchase)
        return self._receipt(request, purchase, reader)

    async def open(self, request: Request, purchase_id: str) -> Response:
        reader = await get_sender(request, await read_form(request), self.identify)
        purchase = await self._get(purchase_id)
        if reader.account_id != purchase.account_id:
            raise UnknownPurchase
        return self._receipt(request, purchase, reader)

    async def _get(self, purchase_id: str) -> Purchase:
        try:
            purchase = await self.purchases.find(OrderId(UUID(purchase_id)))
        except ValueError as error:
            raise UnknownPurchase from error
        if purchase is None:
            raise UnknownPurchase
        return purchase

    def _standing(self, request: Request, purchase: Purchase) -> Response:
        facts = {"purchase_id": purchase.purchase_id, "state": purchase.state, "pack": purchase.pack}
        return self.answers.page(
            request,
            "standing.html",
            facts,
            is_waiting=purchase.state in WAITING,
            is_credited=purchase.is_credited,
        )

    def _receipt(self, request: Request, purchase: Purchase, reader: Buyer) -> Response:
        facts = as_message(purchase).model_dump(mode="json")
        return self.answers.page(
            request,
            "receipt.html",
            facts,
            purchase=purchase,
            reader=reader,
            way=TITLES[Method(purchase.method)],
            is_waiting=purchase.state in WAITING,
        )


async def print_style() -> FileResponse:
    """What a receipt leaves out on paper."""
    return FileResponse(PRINT_STYLE, media_type="text/css")
