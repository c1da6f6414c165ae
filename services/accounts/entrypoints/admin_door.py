"""The operator's door, in this order: the client's network, then the admin key or a session that it opened. Whoever
is not let in gets 403, also without a key, and is told no more than that.

A form by cookie needs our own Origin and the page's token; a key, in a form or in the address, needs neither."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from services.accounts.domain.operators import (
    ADMIN_SESSION_LIFETIME,
    SCRIPT_ADMIN_SESSION_LIFETIME,
    Operator,
)
from services.accounts.entrypoints.browsers import (
    Cookie,
    NotFromOurPage,
    may_be_signed_in,
    require_our_page,
)
from services.accounts.use_cases.admit_operator import AdmitOperator
from shared.http.client_address import limit_subject
from shared.http.operator_network import NotForYou, operator_address
from shared.setting_values import Network

COOKIE = "promptly_admin"
PATH = "/admin"


class NotSignedIn(NotForYou):
    """The network is right: the page may ask for the key."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """`form_token` is empty where this browser has no session, and so could send no form of the page."""

    operator: Operator
    form_token: str = field(repr=False, default="")
    new_session: str = field(repr=False, default="")


class AdminDoor:
    def __init__(
        self,
        admit: AdmitOperator,
        *,
        base_url: str,
        allowed: tuple[Network, ...],
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self._admit = admit
        self._allowed = allowed
        self._trusted_proxies = trusted_proxies
        lifetime_seconds = round(ADMIN_SESSION_LIFETIME.total_seconds())
        self._cookie = Cookie(COOKIE, base_url, path=PATH, lifetime_seconds=lifetime_seconds)

    async def admit_visitor(self, request: Request, *, key: str | None = None) -> Admitted:
        """For a page: by the key given, or by the cookie. Raises NotForYou."""
        client = self._client_of(request)
        key = request.query_params.get("key") if key is None else key
        if key is None:
            return await self._by_cookie(request, client)
        await self._require_key(key, client)
        operator = Operator("key", client)
        if not may_be_signed_in(request):
            return Admitted(operator)
        is_browser = "sec-fetch-site" in request.headers
        lifetime = ADMIN_SESSION_LIFETIME if is_browser else SCRIPT_ADMIN_SESSION_LIFETIME
        token = await self._admit.open_session(lifetime=lifetime)
        return Admitted(operator, self._admit.form_token(token), token)

    async def admit_sender(self, request: Request, form: Mapping[str, str]) -> Admitted:
        """For a form. Raises NotForYou or NotFromOurPage."""
        client = self._client_of(request)
        key = form.get("key", request.query_params.get("key"))
        if key is not None:
            await self._require_key(key, client)
            return Admitted(Operator("key", client))
        admitted = await self._by_cookie(request, client)
        require_our_page(request)
        if not self._admit.accepts_form(form.get("form_token", ""), session=self._cookie.read(request)):
            raise NotFromOurPage("This form is out of date. Please open the page again and repeat it.")
        return admitted

    async def sign_out(self, request: Request, response: Response) -> None:
        await self._admit.end_session(self._cookie.read(request))
        self._cookie.drop(response)

    def keep(self, request: Request, response: Response, admitted: Admitted) -> Response:
        if admitted.new_session:
            self._cookie.put(request, response, admitted.new_session)
        return response

    def require_network(self, request: Request) -> None:
        """Checked before anything that was sent is read. Raises NotForYou."""
        self._client_of(request)

    def _client_of(self, request: Request) -> str:
        return operator_address(request, allowed=self._allowed, trusted_proxies=self._trusted_proxies)

    async def _require_key(self, key: str, client: str) -> None:
        if not await self._admit.has_key(key, client=limit_subject(client)):
            raise NotSignedIn("This needs the admin key.")

    async def _by_cookie(self, request: Request, client: str) -> Admitted:
        token = self._cookie.read(request)
        if not await self._admit.has_session(token):
            raise NotSignedIn("This needs the admin key.")
        return Admitted(Operator("session", client), self._admit.form_token(token))
