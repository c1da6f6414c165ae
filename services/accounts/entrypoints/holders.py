"""Who is at the door: by the key in a form, or by the session's cookie. Cookies are ignored where a key is given."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from services.accounts.domain.people import Holder
from services.accounts.domain.sessions import SCRIPT_SESSION_LIFETIME, SESSION_LIFETIME
from services.accounts.entrypoints.browsers import (
    Cookie,
    NotFromOurPage,
    may_be_signed_in,
    require_our_page,
)
from services.accounts.use_cases.identify import Identify
from services.accounts.use_cases.limit_wrong_keys import LimitWrongKeys
from services.accounts.use_cases.open_session import Sessions
from shared.errors import Kind, PromptlyError
from shared.http.client_address import client_address, limit_subject
from shared.http.request_log import tell_account
from shared.http.session_cookie import SESSION_COOKIE
from shared.setting_values import Network


class WrongKey(PromptlyError):
    """No key like this works."""

    kind = Kind.UNAUTHENTICATED
    code = "invalid_api_key"


class TooManyWrongKeys(PromptlyError):
    kind = Kind.LIMITED
    code = "rate_limit_exceeded"


class SignInNeeded(PromptlyError):
    """There is no session, or it has ended."""

    kind = Kind.UNAUTHENTICATED
    code = "not_signed_in"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody looking at their account. `form_token` is empty where this browser may only look: opened by a key
    without a session, so no form of the page could be sent. `other_email` is who else is signed in here."""

    holder: Holder
    form_token: str = field(repr=False, default="")
    new_session: str = field(repr=False, default="")
    other_email: str | None = None


class Holders:
    def __init__(
        self,
        identify: Identify,
        sessions: Sessions,
        wrong_keys: LimitWrongKeys,
        *,
        base_url: str,
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self._identify = identify
        self._sessions = sessions
        self._wrong_keys = wrong_keys
        self._trusted_proxies = trusted_proxies
        lifetime_seconds = round(SESSION_LIFETIME.total_seconds())
        self.cookie = Cookie(SESSION_COOKIE, base_url, path="/", lifetime_seconds=lifetime_seconds)

    async def visit_by_key(self, request: Request, key: str) -> Visit:
        """Opens a session where this browser may have one. Raises WrongKey or TooManyWrongKeys."""
        holder = await self._holder_of(request, key)
        present = await self._present(request)
        if present and present.holder.account_id != holder.account_id:
            return Visit(holder, other_email=present.holder.email)
        if present and present.holder.key_id == holder.key_id:
            return present
        if not may_be_signed_in(request):
            return Visit(holder)
        is_browser = "sec-fetch-site" in request.headers
        lifetime = SESSION_LIFETIME if is_browser else SCRIPT_SESSION_LIFETIME
        token = await self._sessions.open(holder, lifetime=lifetime)
        return Visit(holder, form_token=self._identify.form_token(token), new_session=token)

    async def visit_by_cookie(self, request: Request) -> Visit:
        """Raises SignInNeeded."""
        present = await self._present(request)
        if present is None:
            raise SignInNeeded("Please sign in with your API key.")
        tell_account(request.scope, present.holder.account_id)
        return present

    async def sender_of(self, request: Request, form: Mapping[str, str]) -> Holder:
        """Whose form this is. Raises WrongKey, SignInNeeded or NotFromOurPage."""
        if key := form.get("key"):
            return await self._holder_of(request, key)
        visit = await self.visit_by_cookie(request)
        require_our_page(request)
        if not self._identify.accepts_form(form.get("form_token", ""), session=self.cookie.read(request)):
            raise NotFromOurPage("This form is out of date. Please open the page again and repeat it.")
        return visit.holder

    async def sign_out(self, request: Request, response: Response) -> None:
        await self._sessions.end(self.cookie.read(request))
        self.cookie.drop(response)

    def keep(self, request: Request, response: Response, visit: Visit) -> Response:
        """Gives the browser the session that this visit opened."""
        if visit.new_session:
            self.cookie.put(request, response, visit.new_session)
        return response

    async def _present(self, request: Request) -> Visit | None:
        token = self.cookie.read(request)
        holder = await self._identify.by_session(token)
        return None if holder is None else Visit(holder, form_token=self._identify.form_token(token))

    async def _holder_of(self, request: Request, key: str) -> Holder:
        holder = await self._identify.by_key(key.strip())
        if holder is not None:
            tell_account(request.scope, holder.account_id)
            return holder
        client = limit_subject(client_address(request.scope, self._trusted_proxies))
        if wait_seconds := await self._wrong_keys.note(client):
            raise TooManyWrongKeys(
                "Too many wrong keys came from your network. Please try again later.",
                retry_after_seconds=wait_seconds,
            )
        raise WrongKey(
            "This key does not work: it is mistyped, or it was replaced or revoked, or it has ended."
        )
