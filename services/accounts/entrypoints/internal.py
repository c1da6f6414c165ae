"""Internal HTTP for the other services: key records for Redis, who somebody is, which accounts there are."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from services.accounts.use_cases.admit_operator import AdmitOperator
from services.accounts.use_cases.identify import Identify
from services.accounts.use_cases.list_accounts import ListAccounts
from services.accounts.use_cases.refill_key import RefillKey
from shared.contracts.internal.accounts import (
    AccountPage,
    AccountSeen,
    IdentifyReply,
    IdentifyRequest,
    KeyRefillReply,
    KeyRefillRequest,
    OperatorReply,
    OperatorRequest,
)
from shared.errors import Kind, PromptlyError
from shared.http.internal_token import require_internal_token
from shared.ids import KeyDigest
from shared.setting_values import Secrets

PAGE_MAX = 1000


class NotIdentified(PromptlyError):
    """Nobody is known by this key or session, or the form is not one of our pages'."""

    kind = Kind.NOT_FOUND
    code = "not_identified"


class OneOfTwo(PromptlyError):
    kind = Kind.INVALID
    code = "invalid_request"


def internal_routes(
    refill_key: RefillKey,
    identify: Identify,
    admit_operator: AdmitOperator,
    list_accounts: ListAccounts,
    tokens: Secrets,
) -> APIRouter:
    router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])

    @router.post("/keys/refill")
    async def refill(request: KeyRefillRequest) -> KeyRefillReply:
        return KeyRefillReply(found=await refill_key(KeyDigest(request.digest)))

    @router.post("/identify")
    async def identify_caller(request: IdentifyRequest) -> JSONResponse:
        match request:
            case IdentifyRequest(key=SecretStr() as key, session=None):
                return _revealed(await _holder_of_key(identify, key.get_secret_value()))
            case IdentifyRequest(key=None, session=SecretStr() as session):
                return _revealed(await _holder_of_session(identify, session, request.form_token))
        raise OneOfTwo("Give a key or a session, and not both.")

    @router.post("/operator")
    async def admit_caller(request: OperatorRequest) -> OperatorReply:
        given = request.key.get_secret_value()
        return OperatorReply(admitted=await admit_operator.has_key(given, client=request.client))

    @router.get("/accounts")
    async def page_of_accounts(
        after: Annotated[str, Query(max_length=8)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_MAX,
    ) -> AccountPage:
        found, next_after = await list_accounts(after=after, limit=limit)
        seen = tuple(AccountSeen.model_validate(each, from_attributes=True) for each in found)
        return AccountPage(accounts=seen, next_after=next_after)

    return router


async def _holder_of_key(identify: Identify, key: str) -> IdentifyReply:
    holder = await identify.by_key(key)
    if holder is None:
        raise NotIdentified("No key like this is active.")
    return IdentifyReply(account_id=holder.account_id, email=holder.email, key_display=holder.key_display)


async def _holder_of_session(
    identify: Identify, session: SecretStr, form_token: SecretStr | None
) -> IdentifyReply:
    token = session.get_secret_value()
    holder = await identify.by_session(token)
    if holder is None:
        raise NotIdentified("This session has ended.")
    if form_token and not identify.accepts_form(form_token.get_secret_value(), session=token):
        raise NotIdentified("This form was not sent from a page of this session.")
    return IdentifyReply(
        account_id=holder.account_id,
        email=holder.email,
        key_display=holder.key_display,
        form_token=SecretStr(identify.form_token(token)),
    )


def _revealed(reply: IdentifyReply) -> JSONResponse:
    """Pydantic writes stars for a secret; the caller is one of us and needs it."""
    revealed = reply.form_token.get_secret_value() if reply.form_token else None
    return JSONResponse({**reply.model_dump(mode="json"), "form_token": revealed})
