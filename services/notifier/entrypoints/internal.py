"""Internal HTTP: mails for the admin panel, "resend", and whether the way out is open."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Response

from services.notifier.use_cases.see_mails import SeeMails
from services.notifier.use_cases.watch_door import MailDoorWatch
from shared.contracts.internal.notifier import MailDoor, MailsReply
from shared.http.internal_token import require_internal_token
from shared.ids import AccountId
from shared.setting_values import Secrets

AccountInPath = Annotated[str, Path(pattern="^[0-9A-Za-z]{8}$")]


def internal_routes(mails: SeeMails, door: MailDoorWatch, *, has_relay: bool, tokens: Secrets) -> APIRouter:
    router = APIRouter(prefix="/internal", dependencies=[Depends(require_internal_token(tokens))])

    @router.get("/accounts/{account_id}/mails")
    async def of_account(account_id: AccountInPath) -> MailsReply:
        return MailsReply(mails=tuple(await mails.of_account(AccountId(account_id))))

    @router.get("/mails/failed")
    async def failed() -> MailsReply:
        return MailsReply(mails=tuple(await mails.ended_badly()))

    @router.post("/mails/{mail_id}/resend", status_code=202)
    async def resend(mail_id: UUID) -> Response:
        await mails.resend(mail_id)
        return Response(status_code=202)

    @router.get("/mail-door")
    async def mail_door() -> MailDoor:
        return MailDoor(goes_to="smtp" if has_relay else "folder", fault=await door.fault())

    return router
