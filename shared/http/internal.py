"""Calling another service over internal HTTP: a shared bearer secret, never routed by nginx, bounded waits.

Only for what must be known at once: another service's present state, what Redis has to be refilled with,
an admin action whose result must be visible at once. Everything else is an event.
"""

from typing import Any, Self

import httpx

from shared.errors import Unavailable
from shared.http.request_log import HEADER, TRACEPARENT
from shared.logging import current_request_id
from shared.setting_values import Secrets
from shared.tracing import spans

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
        try:
            with spans.calling():
                reply = await self._http.request(method, path, headers=_ids(), **parts)
        except httpx.HTTPError as error:
            raise Unavailable("A part of the service does not answer. Please try again.") from error
        if reply.status_code >= 500 or reply.status_code in (401, 403):
            raise Unavailable("A part of the service does not answer. Please try again.")
        return reply


def _ids() -> dict[str, str]:
    """What the other service is to call this request by."""
    ids = {HEADER: current_request_id(), TRACEPARENT: spans.current_traceparent()}
    return {name: value for name, value in ids.items() if value is not None}
