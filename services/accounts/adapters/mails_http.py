"""What notifier knows: which mails went out, which did not, and where mails go. Raises Unavailable."""

from services.accounts.adapters.reply_reading import find, read, refuse_as_told
from shared.contracts.internal import notifier
from shared.http.internal import InternalClient
from shared.ids import AccountId


class Mails:
    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def list_of(self, account_id: AccountId) -> tuple[notifier.MailSeen, ...]:
        found = find(await self._client.get(f"/internal/accounts/{account_id}/mails"), notifier.MailsReply)
        return found.mails if found else ()

    async def list_refused(self) -> tuple[notifier.MailSeen, ...]:
        """Those that ended without arriving, for whatever reason."""
        return read(await self._client.get("/internal/mails/failed"), notifier.MailsReply).mails

    async def resend(self, mail_id: str) -> None:
        """Raises RefusedThere: unknown, or nothing left to send."""
        refuse_as_told(await self._client.post(f"/internal/mails/{mail_id}/resend"))

    async def go_to_a_folder(self) -> bool:
        """True while the operator has not set a mail server."""
        return (await self.door()).goes_to == "folder"

    async def door(self) -> notifier.MailDoor:
        """Where mails go, and what is wrong with the way out."""
        return read(await self._client.get("/internal/mail-door"), notifier.MailDoor)
