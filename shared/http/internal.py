"""Calling another service over internal HTTP: a shared bearer secret, never routed by nginx, bounded waits.

Only for what DESIGN section 2 lists: another service's present state on a page, refilling Redis,
an admin action whose result must be visible at once. Everything else is an event.
"""

from typing import Any, Self

import httpx

from shared.errors import Unavailable
from shared.http.request_log import HEADER
from shared.logging import current_request_id
from shared.setting_values import Secrets

TIMEOUT_SECONDS = 3.0
CONNECTIONS_MAX = 32


class InternalClient:
    """Calls one other service. Raises Unavailable when it does not answer as agreed."""

    def __init__(self, base_url: str, tokens: Secrets, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"authorization": f"Bearer {tokens[0].get_secret_value()}"},
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, params: dict[str, Any] | None = None) -> httpx.Response:
        return await self._send("GET", path, params=params)

    async def post(self, path: str, json: object = None) -> httpx.Response:
        return await self._send("POST", path, json=json)

    async def _send(self, method: str, path: str, **parts: Any) -> httpx.Response:
        request_id = current_request_id()
        headers = {HEADER: request_id} if request_id else {}
        try:
            reply = await self._http.request(method, path, headers=headers, **parts)
        except httpx.HTTPError as error:
            raise Unavailable("A part of the service does not answer. Please try again.") from error
        if reply.status_code >= 500 or reply.status_code in (401, 403):
            raise Unavailable("A part of the service does not answer. Please try again.")
        return reply
