"""The registration form. What it answers is the same for new and known addresses."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.accounts.entrypoints.email_form import NotAnAddress, read_address
from services.accounts.entrypoints.pages import HEADERS, Pages
from services.accounts.entrypoints.requests import read_form, wants_json
from services.accounts.use_cases import measure
from services.accounts.use_cases.limit_registrations import TooManyRegistrations
from services.accounts.use_cases.recover_key import RecoverKey
from services.accounts.use_cases.register import Register, Undeliverable
from shared.errors import Kind, PromptlyError
from shared.http.client_address import client_address, limit_subject
from shared.http.errors import error_body
from shared.setting_values import Network

SENT = (
    "A new API key is on its way to {address}. A key that came to this address by mail before has stopped"
    " working; the balance stays."
)
SENT_FOR_CONFIRMATION = (
    "A mail is on its way to {address}: with an API key, or, if the address is known here, with a link that"
    " replaces the key it has."
)
MINUTE_SECONDS = 60


class TooOften(PromptlyError):
    """This client, or somebody for this address, has registered too often within the hour."""

    kind = Kind.LIMITED
    code = "rate_limit_exceeded"


class Registration:
    """`recover` is set where a known address must confirm before its key is replaced."""

    def __init__(
        self,
        pages: Pages,
        register: Register,
        recover: RecoverKey | None,
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        self._pages = pages
        self._register = register
        self._recover = recover
        self._trusted_proxies = trusted_proxies

    def routes(self) -> list[Route]:
        return [
            Route("/register", self.show, methods=["GET"]),
            Route("/register", self.submit, methods=["POST"]),
            Route("/register/confirm", self.ask_to_confirm, methods=["GET"]),
            Route("/register/confirm", self.confirm, methods=["POST"]),
        ]

    async def show(self, _: Request) -> Response:
        return self._pages.render("register.html", typed="", problem=None, must_confirm=self._must_confirm)

    async def ask_to_confirm(self, request: Request) -> Response:
        """Shows the button and uses nothing: mail scanners follow links."""
        return self._pages.render("confirm.html", token=request.query_params.get("token", ""))

    async def confirm(self, request: Request) -> Response:
        token = (await read_form(request)).get("token", "")
        email = await self._recover.confirm(token) if self._recover else None
        if email is None:
            return self._pages.render("link_ended.html", status=400)
        return self._pages.render("registered.html", typed=email, must_confirm=False)

    async def submit(self, request: Request) -> Response:
        typed = (await read_form(request)).get("email", "").strip()
        address = read_address(typed)
        if isinstance(address, NotAnAddress):
            measure.registered("no_address")
            return self._ask_again(request, typed, address.reason)
        client = limit_subject(client_address(request.scope, self._trusted_proxies))
        outcome = await self._register(address.email, client=client)
        if isinstance(outcome, TooManyRegistrations):
            measure.registered(f"too_many_by_{outcome.by}")
            raise _too_many(outcome)
        if isinstance(outcome, Undeliverable):
            measure.registered("undeliverable")
            return self._ask_again(request, typed, outcome.reason)
        measure.registered("sent")
        return self._say_sent(request, typed)

    def _ask_again(self, request: Request, typed: str, reason: str) -> Response:
        if wants_json(request):
            body = error_body(reason, Kind.INVALID, code="invalid_email", param="email")
            return JSONResponse(body, 400)
        return self._pages.render(
            "register.html", status=400, typed=typed, problem=reason, must_confirm=self._must_confirm
        )

    def _say_sent(self, request: Request, typed: str) -> Response:
        if wants_json(request):
            sentence = SENT_FOR_CONFIRMATION if self._must_confirm else SENT
            return JSONResponse({"email": typed, "message": sentence.format(address=typed)}, headers=HEADERS)
        return self._pages.render("registered.html", typed=typed, must_confirm=self._must_confirm)

    @property
    def _must_confirm(self) -> bool:
        return self._recover is not None


def _too_many(outcome: TooManyRegistrations) -> TooOften:
    minutes = round(outcome.retry_after_seconds / MINUTE_SECONDS) or 1
    whence = "from your network" if outcome.by == "client" else "for this address"
    return TooOften(
        f"Too many registrations came {whence} in the last hour. Please try again in {minutes} min.",
        retry_after_seconds=outcome.retry_after_seconds,
    )
