"""Who is buying: the holder of a key, or of a dashboard session."""

from dataclasses import dataclass

from services.billing.adapters.accounts_http import Accounts
from services.billing.domain.buyers import Buyer, NotSignedIn
from shared.api_keys import parse_api_key

SESSION_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class IdentifyBuyer:
    accounts: Accounts

    async def by_key(self, key: str) -> Buyer:
        """A key that cannot be one is refused without asking anybody."""
        parsed = parse_api_key(key.strip())
        buyer = await self.accounts.find_by_key(parsed.text) if parsed else None
        if buyer is None:
            raise NotSignedIn("This key does not work. The newest mail from us has the one that does.")
        return buyer

    async def find_by_session(self, session: str) -> Buyer | None:
        if not 0 < len(session) <= SESSION_LENGTH_MAX:
            return None
        return await self.accounts.find_by_session(session)

    async def by_form(self, session: str, form_token: str) -> Buyer:
        """`form_token` is never empty: accounts compares only what it is given."""
        if not 0 < len(session) <= SESSION_LENGTH_MAX or not form_token:
            raise NotSignedIn("Please open the dashboard again, or give your key.")
        buyer = await self.accounts.find_by_form(session, form_token)
        if buyer is None:
            raise NotSignedIn("This page is too old. Please open the dashboard again, or give your key.")
        return buyer
