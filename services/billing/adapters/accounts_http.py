"""Asks accounts who somebody is. The key and the session go no further than that."""

from pydantic import SecretStr

from services.billing.domain.buyers import Buyer
from shared.contracts.internal.accounts import IdentifyReply
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId

OK, NOT_FOUND = 200, 404


class Accounts:
    """Every method raises Unavailable when accounts does not answer."""

    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def find_by_key(self, key: str) -> Buyer | None:
        return await self._identify({"key": key})

    async def find_by_session(self, session: str) -> Buyer | None:
        return await self._identify({"session": session})

    async def find_by_form(self, session: str, form_token: str) -> Buyer | None:
        """None also when the token is not the session's."""
        return await self._identify({"session": session, "form_token": form_token})

    async def _identify(self, who: dict[str, str]) -> Buyer | None:
        reply = await self._client.post("/internal/identify", json=who)
        if reply.status_code == NOT_FOUND:
            return None
        if reply.status_code != OK:
            raise Unavailable("A part of the service does not answer as agreed. Please try again.")
        known = IdentifyReply.model_validate_json(reply.content)
        return Buyer(AccountId(known.account_id), known.email, known.key_display, _text(known.form_token))


def _text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
