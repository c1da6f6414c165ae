"""GET /checkout shows what is to be bought, by whom; POST makes the order and sends the customer to the provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.billing.domain.buyers import Buyer
from services.billing.domain.orders import OrderId
from services.billing.domain.packs import CURRENCY, PACKS, Pack, find_pack
from services.billing.domain.payment_methods import INVITATIONS, Method, NotConfigured
from services.billing.entrypoints.answers import Answers
from services.billing.entrypoints.forms import read_form
from services.billing.entrypoints.signed_in import find_reader, get_sender
from services.billing.use_cases.identify_buyer import IdentifyBuyer
from services.billing.use_cases.start_checkout import StartCheckout
from shared.errors import Kind, PromptlyError
from shared.ids import new_uuid7

UUID_VERSION = 7
NOT_OURS = "The order is not one of ours. Leave it out."


class UnknownPack(PromptlyError):
    kind = Kind.INVALID
    code = "unknown_pack"


class UnknownMethod(PromptlyError):
    kind = Kind.INVALID
    code = "unknown_method"


class UnknownOrder(PromptlyError):
    kind = Kind.INVALID
    code = "unknown_order"


@dataclass(frozen=True, slots=True)
class CheckoutDoor:
    """`configured` in the order in which they are offered."""

    answers: Answers
    configured: Sequence[Method]
    identify: IdentifyBuyer
    start_checkout: StartCheckout

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/checkout", self.show, methods=["GET"], response_model=None)
        router.add_api_route("/checkout", self.submit, methods=["POST"], response_model=None)
        return router

    async def show(self, request: Request) -> Response:
        pack = _read_pack(request.query_params)
        method = _read_method(request.query_params)
        offered = self._offered(method)
        buyer = await find_reader(request, self.identify)
        facts = {"pack": _shown_pack(pack), "methods": offered, "account": _shown_buyer(buyer)}
        return self.answers.page(
            request, "checkout.html", facts, buyer=buyer, order_id=new_uuid7(), invitations=INVITATIONS
        )

    async def submit(self, request: Request) -> Response:
        """The pack and the method may stand in the address; a key and the rest only in the form."""
        form = await read_form(request)
        fields = {**request.query_params, **form}
        pack, method = _read_pack(fields), _read_method(fields)
        order_id = _read_order(form)
        method = self._offered(method)[0]
        buyer = await get_sender(request, form, self.identify)
        checkout = await self.start_checkout(order_id, buyer.account_id, pack, method)
        return self.answers.see_other(
            request, checkout.url, {"purchase_id": str(order_id), "checkout_url": checkout.url}
        )

    def _offered(self, method: Method | None) -> list[Method]:
        """Raises NotConfigured when there is none."""
        offered = [each for each in self.configured if method in (None, each)]
        if not offered:
            raise NotConfigured(method)
        return offered


def _read_pack(fields: Mapping[str, str]) -> Pack:
    pack = find_pack(fields.get("pack", ""))
    if pack is None:
        names = ", ".join(pack.pack_id for pack in PACKS)
        raise UnknownPack(f"There is no such pack. Choose one of: {names}.", param="pack")
    return pack


def _read_method(fields: Mapping[str, str]) -> Method | None:
    """None when it is still to be chosen: the links of the price list name only the pack."""
    name = fields.get("method")
    if name is None:
        return None
    try:
        return Method(name)
    except ValueError as error:
        names = " or ".join(Method)
        raise UnknownMethod(f"There is no such way to pay. Choose {names}.", param="method") from error


def _read_order(form: Mapping[str, str]) -> OrderId:
    """Our page names the order that it will make, so that sending it twice makes one; a program need not. Orders
    are listed by id: only ids like ours, which sort by time."""
    if not form.get("order"):
        return OrderId(new_uuid7())
    try:
        order_id = UUID(form["order"])
    except ValueError as error:
        raise UnknownOrder(NOT_OURS, param="order") from error
    if order_id.version != UUID_VERSION:
        raise UnknownOrder(NOT_OURS, param="order")
    return OrderId(order_id)


def _shown_pack(pack: Pack) -> dict[str, object]:
    return {
        "id": pack.pack_id,
        "tokens": pack.tokens,
        "price_cents": pack.price_cents,
        "currency": CURRENCY,
    }


def _shown_buyer(buyer: Buyer | None) -> dict[str, str] | None:
    return {"account_id": buyer.account_id, "email": buyer.email} if buyer else None
