"""Everything under /v1, as plain ASGI: finds the endpoint, knows the caller, and puts errors in OpenAI's shape.

What has no entry in the table is 404, whatever the upstream may serve there; nothing is forwarded by path.

Every answer carries `x-request-id` and the rate of who asks (`x-ratelimit-*-requests`): of its key, or of its
address where no key is known. 404 and 405 take a place in the address's minute and none in the key's. Only when
Redis does not answer there is no rate to tell. HEAD is GET without the body; OPTIONS is no method of ours.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache

import structlog
from starlette.types import Receive, Scope, Send

from services.gateway.domain.errors import MethodNotAllowed, UnknownUrl
from services.gateway.entrypoints import http
from services.gateway.use_cases.caller import Caller, KeyClaim
from services.gateway.use_cases.measure import REQUESTS
from shared.api_keys import digest_of, parse_api_key
from shared.contracts.gateway import Outcome
from shared.errors import PromptlyError
from shared.http.client_address import address_behind, forwarded_for, limit_subject, peer_of
from shared.http.errors import status_of
from shared.http.measure import ROUTE
from shared.http.request_log import tell_account
from shared.setting_values import Network

Endpoint = Callable[[Scope, Receive, Send, Caller], Awaitable[None]]
Routes = Mapping[str, Mapping[str, Endpoint]]
"""path -> method -> endpoint. A path that ends in `/` stands for all below it."""
OTHER, REFUSED = "other", "refused"
CLIENT_LEFT = 499
"""nginx's number for it."""
UNKNOWN_KEY = 401
BEARER = "Bearer "
REMEMBERED = 4096
"""Keys and addresses of those who have just asked: to read them again takes longer than most of what follows."""
OUR_FAULT = "Something went wrong on our side. Please try again; the request id helps us find it."

log = structlog.get_logger()


class V1:
    """Mount it under /v1; `scope["path"]` keeps the prefix."""

    def __init__(
        self,
        routes: Routes,
        turn_away: Callable[[Caller], Awaitable[None]],
        *,
        key_pepper: bytes,
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self._routes = routes
        self._below = [route for route in routes if route.endswith("/")]
        self._turn_away = turn_away
        self._key_pepper = key_pepper
        self._trusted_proxies = trusted_proxies
        self._key_in = lru_cache(maxsize=REMEMBERED)(self._read_key)
        self._subject_of = lru_cache(maxsize=REMEMBERED)(self._read_subject)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        caller, body = self._caller(scope), http.Body(receive)
        status = 200
        try:
            endpoint = await self._endpoint(scope, caller)
            await endpoint(scope, body, send, caller)
        except http.ClientGone:
            log.info("client_gone")
            caller.outcome = Outcome.CLIENT_DISCONNECTED
        except PromptlyError as error:
            status = status_of(error.kind)
            await body.take_rest(scope)
            await http.send_error(send, error, caller)
        except Exception as error:  # the shell of /v1: whatever is wrong with us is a 500
            status = 500
            log.error("unexpected_error", path=scope["path"], exc_info=error)
            await http.send_error(send, PromptlyError(OUR_FAULT), caller)
        finally:
            self._count(scope, status, caller)

    def _count(self, scope: Scope, status: int, caller: Caller) -> None:
        route, outcome = self._route(scope["path"]) or OTHER, caller.outcome
        scope["state"][ROUTE] = route
        if caller.key is not None and status != UNKNOWN_KEY:
            tell_account(scope, caller.key.account_id)
        if outcome is Outcome.CLIENT_DISCONNECTED:
            status = CLIENT_LEFT
        ended = outcome or (Outcome.COMPLETED if status < 400 else None)
        REQUESTS.of(route, status, ended.value if ended else REFUSED).add()

    async def _endpoint(self, scope: Scope, caller: Caller) -> Endpoint:
        path, method = scope["path"], scope["method"]
        methods = self._routes.get(self._route(path) or "", {})
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is not None:
            return endpoint
        await self._turn_away(caller)
        if not methods:
            raise UnknownUrl(f"Unknown request URL: {method} {path[:200]}. See /docs for what there is.")
        raise MethodNotAllowed(method, [*methods, "HEAD"] if "GET" in methods else methods)

    def _route(self, path: str) -> str | None:
        if path in self._routes:
            return None if path.endswith("/") else path
        return next((route for route in self._below if path.startswith(route)), None)

    def _caller(self, scope: Scope) -> Caller:
        subject = self._subject_of(peer_of(scope), forwarded_for(scope))
        return Caller(
            scope["state"]["request_id"], subject, self._key_in(http.header(scope, b"authorization"))
        )

    def _read_subject(self, peer: str, forwarded: tuple[bytes, ...]) -> str:
        return limit_subject(address_behind(peer, forwarded, self._trusted_proxies))

    def _read_key(self, authorization: str) -> KeyClaim | None:
        if authorization[: len(BEARER)].lower() != BEARER.lower():
            return None
        key = parse_api_key(authorization[len(BEARER) :].strip())
        return KeyClaim(key.account_id, digest_of(key.text, self._key_pepper)) if key else None
