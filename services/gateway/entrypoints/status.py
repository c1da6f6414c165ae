"""Internal: how the API stands, for the page that tells it to everybody."""

from datetime import UTC, datetime

from fastapi import APIRouter, Depends

from services.gateway.use_cases.list_models import Models
from services.gateway.use_cases.slots import UpstreamSlots
from shared.contracts.internal.gateway import GatewayStatus
from shared.errors import PromptlyError
from shared.http.internal_token import require_internal_token
from shared.setting_values import Secrets


def status_routes(models: Models, slots: UpstreamSlots, tokens: Secrets) -> APIRouter:
    router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])

    @router.get("/status")
    async def status() -> GatewayStatus:
        name, since = await _loaded(models)
        return GatewayStatus(model=name, since=since, running=slots.running, waiting=slots.waiting)

    return router


async def _loaded(models: Models) -> tuple[str | None, datetime | None]:
    try:
        loaded = await models.list_all()
    except PromptlyError:
        return None, None
    if not loaded:
        return None, None
    return loaded[0].name, datetime.fromtimestamp(loaded[0].created_at, UTC)
