"""GET /v1/models, /v1/models/{id} and /v1/balance: they cost a place in the key's rate, and no tokens."""

from typing import Any

from starlette.types import Receive, Scope, Send

from services.gateway.entrypoints import http
from services.gateway.use_cases.admit import Admission
from services.gateway.use_cases.caller import Caller
from services.gateway.use_cases.list_models import Models
from services.gateway.use_cases.read_balance import Balances
from services.gateway.use_cases.upstream import Model

OWNER = "promptly"
MODELS_PATH = "/v1/models/"


class ModelList:
    def __init__(self, admission: Admission, models: Models) -> None:
        self._admission = admission
        self._models = models

    async def __call__(self, _: Scope, __: Receive, send: Send, caller: Caller) -> None:
        await self._admission.authenticate(caller)
        models = [_shown(model) for model in await self._models.list_all()]
        await _answer(send, {"object": "list", "data": models}, caller)


class ModelDetail:
    def __init__(self, admission: Admission, models: Models) -> None:
        self._admission = admission
        self._models = models

    async def __call__(self, scope: Scope, _: Receive, send: Send, caller: Caller) -> None:
        await self._admission.authenticate(caller)
        model = await self._models.get(scope["path"].removeprefix(MODELS_PATH))
        await _answer(send, _shown(model), caller)


class BalanceEndpoint:
    def __init__(self, admission: Admission, balances: Balances) -> None:
        self._admission = admission
        self._balances = balances

    async def __call__(self, _: Scope, __: Receive, send: Send, caller: Caller) -> None:
        holder = await self._admission.authenticate(caller)
        balance = await self._balances.get(holder.account_id)
        ends_at = balance.trial_expires_at
        shown = {
            "available": balance.available,
            "paid": balance.paid,
            "trial": balance.trial,
            "trial_expires_at": ends_at.isoformat().replace("+00:00", "Z") if ends_at else None,
            "held": balance.held,
            "debt": balance.debt,
        }
        await _answer(send, shown, caller)


async def _answer(send: Send, content: dict[str, Any], caller: Caller) -> None:
    await http.send_json(send, 200, http.encode(content), http.rate_headers(caller))


def _shown(model: Model) -> dict[str, Any]:
    shown = {"id": model.name, "object": "model", "created": model.created_at, "owned_by": OWNER}
    return shown if model.context_tokens is None else shown | {"context_length": model.context_tokens}
