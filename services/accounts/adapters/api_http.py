"""How the API stands, asked of a gateway. Raises Unavailable."""

from services.accounts.adapters.reply_reading import read
from shared.contracts.internal.gateway import GatewayStatus
from shared.http.internal import InternalClient


class Api:
    def __init__(self, client: InternalClient) -> None:
        self._client = client

    async def status(self) -> GatewayStatus:
        return read(await self._client.get("/internal/status"), GatewayStatus)
