"""The registration form. What it answers is the same for new and known addresses."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.accounts.entrypoints.email_form import NotAnAddress, read_address
from services.accounts.entrypoints.pages import Pages
from services.accounts.entrypoints.requests import read_form, wants_json
from services.accounts.use_cases.register import Register, TooManyRegistrations
from shared.errors import Kind, PromptlyError
from shared.http.client_address import client_address, limit_subject
from shared.http.errors import error_body
from shared.settings import Network

SENT = (
    "A new API key is on its way to {address}. A key that came to this address by mail before has stopped"
    " working; the balance stays."
)
MINUTE_SECONDS = 60


class TooManyFromHere(PromptlyError):
    """This client address has registered too often within the hour."""

    kind = Kind.LIMITED
    code = "rate_limit_exceeded"


class Registration:
    def __init__(self, pages: Pages, register: Register, trusted_proxies: tuple[Network, ...]) -> None:
        self._pages = pages
        self._register = register
        self._trusted_proxies = trusted_proxies

    def routes(self) -> list[Route]:
        return [
            Route("/register", self.show, methods=["GET"]),
            Route("/register", self.submit, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        return self._pages.render("register.html", typed="", problem=None)

    async def submit(self, request: Request) -> Response:
        typed = (await read_form(request)).get("email", "").strip()
        address = read_address(typed)
        if isinstance(address, NotAnAddress):
            return self._ask_again(request, typed, address.reason)
        client = limit_subject(client_address(request.scope, self._trusted_proxies))
        outcome = await self._register(address.email, client=client)
        if isinstance(outcome, TooManyRegistrations):
            raise _too_many(outcome)
        return self._say_sent(request, typed)

    def _ask_again(self, request: Request, typed: str, reason: str) -> Response:
        if wants_json(request):
            body = error_body(reason, Kind.INVALID, code="invalid_email", param="email")
            return JSONResponse(body, 400)
        return self._pages.render("register.html", status=400, typed=typed, problem=reason)

    def _say_sent(self, request: Request, typed: str) -> Response:
        if wants_json(request):
            return JSONResponse({"email": typed, "message": SENT.format(address=typed)})
        return self._pages.render("registered.html", typed=typed)


def _too_many(outcome: TooManyRegistrations) -> TooManyFromHere:
    minutes = round(outcome.retry_after_seconds / MINUTE_SECONDS) or 1
    return TooManyFromHere(
        f"Too many registrations came from your network in the last hour. Please try again in {minutes} min.",
        retry_after_seconds=outcome.retry_after_seconds,
    )
