"""/checkout?pack=&method=: what is to be bought and how, from the address or from a form."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.billing.domain.packs import PACKS, Pack, find_pack
from services.billing.domain.payment_methods import Method, refusal
from shared.errors import Kind, PromptlyError

FORM_BYTES_MAX = 8 * 1024
"""The form has three short fields."""
FORM_FIELDS_MAX = 20


class UnknownPack(PromptlyError):
    kind = Kind.INVALID
    code = "unknown_pack"


class UnknownMethod(PromptlyError):
    kind = Kind.INVALID
    code = "unknown_method"


class NotAForm(PromptlyError):
    """The body is not what a form sends, or far more than that."""

    kind = Kind.INVALID
    code = "not_a_form"


def checkout_router(configured: frozenset[Method]) -> APIRouter:
    router = APIRouter()

    @router.api_route("/checkout", methods=["GET", "POST"])
    async def check_out(request: Request) -> Response:
        fields = {**request.query_params, **await _read_form(request)}
        _read_pack(fields)
        raise refusal(_read_method(fields), configured)

    return router


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


async def _read_form(request: Request) -> dict[str, str]:
    """Nothing without a body; the fields of an urlencoded one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise NotAForm(f"A form has at most {FORM_BYTES_MAX} bytes.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX))
    except ValueError as error:
        raise NotAForm("The form cannot be read: send it as application/x-www-form-urlencoded.") from error
