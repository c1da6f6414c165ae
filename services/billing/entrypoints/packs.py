"""GET /packs: the price list."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.billing.domain.packs import CURRENCY, PACKS, Pack
from services.billing.entrypoints.answers import Answers


def packs_router(answers: Answers) -> APIRouter:
    router = APIRouter()

    @router.get("/packs")
    async def list_packs(request: Request) -> Response:
        return answers.page(request, "packs.html", {"packs": [_shown(pack) for pack in PACKS]})

    return router


def _shown(pack: Pack) -> dict[str, object]:
    return {
        "id": pack.pack_id,
        "tokens": pack.tokens,
        "price_cents": pack.price_cents,
        "currency": CURRENCY,
        "aliases": list(pack.aliases),
    }
