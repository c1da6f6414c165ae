"""The dashboard, opened with a key: by POST from our own form, or with `?key=` from a script or a bookmark.

The key is read and forgotten: no cookie, no link and no redirect carries it.
"""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.accounts.domain.dashboard import Dashboard as Contents
from services.accounts.domain.dashboard import chart_of
from services.accounts.domain.packs import PACKS
from services.accounts.entrypoints.pages import Pages
from services.accounts.entrypoints.requests import read_form
from services.accounts.use_cases.open_dashboard import OpenDashboard
from shared.clock import utc_now


class Dashboard:
    def __init__(self, pages: Pages, open_dashboard: OpenDashboard) -> None:
        self._pages = pages
        self._open_dashboard = open_dashboard

    def routes(self) -> list[Route]:
        return [
            Route("/dashboard", self.show, methods=["GET"]),
            Route("/dashboard", self.submit, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        key = request.query_params.get("key")
        if key is None:
            return self._pages.render("open_dashboard.html", refused=False)
        return await self._open(key)

    async def submit(self, request: Request) -> Response:
        return await self._open((await read_form(request)).get("key", ""))

    async def _open(self, key: str) -> Response:
        contents = await self._open_dashboard(key.strip())
        if contents is None:
            return self._pages.render("open_dashboard.html", status=401, refused=True)
        return self._render(contents, utc_now())

    def _render(self, contents: Contents, now: datetime) -> Response:
        return self._pages.render(
            "dashboard.html",
            holder=contents,
            balance=contents.balance,
            trial_state=contents.balance.trial_state(now).value if contents.balance else None,
            usage=contents.usage,
            chart=chart_of(contents.usage or (), today=now.date()),
            packs=PACKS,
        )
