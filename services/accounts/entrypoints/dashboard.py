"""The dashboard: opened with a key, by form or as `?key=`, and then by the session's cookie.

The key is read and forgotten: no cookie, no link and no redirect carries it.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from services.accounts.domain.dashboard import RANGES_DAYS, chart_of, read_days
from services.accounts.domain.keys import GRACES_HOURS, LIFETIMES_DAYS
from services.accounts.domain.packs import PACKS
from services.accounts.entrypoints.browsers import may_be_signed_in
from services.accounts.entrypoints.holders import Holders, SignInNeeded, Visit, WrongKey
from services.accounts.entrypoints.pages import Pages
from services.accounts.entrypoints.requests import read_form
from services.accounts.use_cases.open_dashboard import OpenDashboard
from shared.clock import utc_now

SEE_OTHER = 303


class Dashboard:
    def __init__(self, pages: Pages, holders: Holders, open_dashboard: OpenDashboard) -> None:
        self._pages = pages
        self._holders = holders
        self._open_dashboard = open_dashboard

    def routes(self) -> list[Route]:
        return [
            Route("/dashboard", self.show, methods=["GET"]),
            Route("/dashboard", self.submit, methods=["POST"]),
            Route("/dashboard/sign-out", self.sign_out, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        key = request.query_params.get("key")
        if key is not None:
            return await self._by_key(request, key)
        try:
            visit = await self._holders.visit_by_cookie(request)
        except SignInNeeded:
            return self._ask_for_key(request)
        return await self._page(request, visit)

    async def submit(self, request: Request) -> Response:
        """A browser goes on to the page itself, so that reloading it sends no key again."""
        key = (await read_form(request)).get("key", "")
        if request.headers.get("sec-fetch-site") != "same-origin" or not may_be_signed_in(request):
            return await self._by_key(request, key)
        try:
            visit = await self._holders.visit_by_key(request, key)
        except WrongKey as error:
            return self._refuse(error)
        if not visit.form_token:
            return await self._page(request, visit)
        return self._holders.keep(request, RedirectResponse("/dashboard", SEE_OTHER), visit)

    async def sign_out(self, request: Request) -> Response:
        """By the session and its page alone: any other site has a key of its own to send."""
        await self._holders.sender_of(request, {**await read_form(request), "key": ""})
        response = RedirectResponse("/dashboard", SEE_OTHER)
        await self._holders.sign_out(request, response)
        return response

    async def _by_key(self, request: Request, key: str) -> Response:
        try:
            visit = await self._holders.visit_by_key(request, key)
        except WrongKey as error:
            return self._refuse(error)
        return self._holders.keep(request, await self._page(request, visit), visit)

    def _ask_for_key(self, request: Request) -> Response:
        has_ended = bool(self._holders.cookie.read(request))
        page = self._pages.render("open_dashboard.html", problem=None, has_ended=has_ended)
        if has_ended:
            self._holders.cookie.drop(page)
        return page

    def _refuse(self, error: WrongKey) -> Response:
        return self._pages.render("open_dashboard.html", status=401, problem=error.message, has_ended=False)

    async def _page(self, request: Request, visit: Visit) -> Response:
        days, now = read_days(request.query_params.get("days", "")), utc_now()
        contents = await self._open_dashboard(visit.holder.account_id, days=days, now=now)
        return self._pages.render(
            "dashboard.html",
            visit=visit,
            holder=visit.holder,
            contents=contents,
            balance=contents.balance,
            trial_state=contents.balance.trial_state(now).value if contents.balance else None,
            chart=chart_of(contents.usage or (), today=now.date(), days=days),
            days=days,
            ranges_days=RANGES_DAYS,
            packs=PACKS,
            lifetimes_days=LIFETIMES_DAYS,
            graces_hours=GRACES_HOURS,
        )
