"""What the ledger knows of purchases: metering's grants with the source `purchase:<id>`."""

from services.billing.domain.ledger import LedgerGrant
from shared.contracts.internal.metering import GrantsReply
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.ids import AccountId

SOURCE_PREFIX = "purchase:"
OK, NOT_FOUND = 200, 404


class Ledger:
    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def list_purchases(self, account_id: AccountId) -> dict[str, LedgerGrant]:
        """By purchase id; empty for an account that the ledger does not know. Raises Unavailable."""
        reply = await self._client.get(f"/internal/accounts/{account_id}/grants")
        if reply.status_code == NOT_FOUND:
            return {}
        if reply.status_code != OK:
            raise Unavailable("The ledger does not answer as agreed.")
        grants = GrantsReply.model_validate_json(reply.content).grants
        return {
            grant.source.removeprefix(SOURCE_PREFIX): LedgerGrant(
                grant.tokens, grant.tokens_to_reverse, grant.frozen
            )
            for grant in grants
            if grant.source.startswith(SOURCE_PREFIX)
        }
