"""How the API stands, for everybody: asked of a gateway at most every few seconds, however many look."""

import asyncio
import time

from services.accounts.adapters.api_http import Api
from services.accounts.use_cases.partly import or_none
from shared.contracts.internal.gateway import GatewayStatus

FRESH_SECONDS = 3.0


class ReadStatus:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._status: GatewayStatus | None = None
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def __call__(self) -> GatewayStatus | None:
        """None where no gateway answers."""
        async with self._asking:
            if time.monotonic() >= self._fresh_until:
                self._status = await or_none(self._api.status())
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._status
