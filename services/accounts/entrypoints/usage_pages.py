"""What a holder looks up of their usage: the days as a file, all requests, one request's receipt, a payment's state."""

import csv
import io
from uuid import UUID

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.accounts.domain.dashboard import UsageDay, read_days
from services.accounts.entrypoints.holders import Holders
from services.accounts.entrypoints.pages import HEADERS, Pages
from services.accounts.use_cases.open_dashboard import OpenDashboard
from shared.clock import utc_now
from shared.errors import Kind, PromptlyError

CURSOR_LENGTH_MAX = 2000


class NoSuchRequest(PromptlyError):
    """Nothing of that id is booked for the account."""

    kind = Kind.NOT_FOUND
    code = "request_not_found"


class UsagePages:
    """All by the session's cookie, and only to look at."""

    def __init__(self, pages: Pages, holders: Holders, open_dashboard: OpenDashboard) -> None:
        self._pages = pages
        self._holders = holders
        self._open_dashboard = open_dashboard

    def routes(self) -> list[Route]:
        return [
            Route("/dashboard/usage.csv", self.download, methods=["GET"]),
            Route("/dashboard/payment", self.payment, methods=["GET"]),
            Route("/dashboard/requests", self.requests, methods=["GET"]),
            Route("/dashboard/requests/{request_id}", self.receipt, methods=["GET"]),
        ]

    async def download(self, request: Request) -> Response:
        visit = await self._holders.visit_by_cookie(request)
        days = read_days(request.query_params.get("days", ""))
        usage = await self._open_dashboard.usage(visit.holder.account_id, days=days)
        disposition = f'attachment; filename="promptly-usage-{days}-days.csv"'
        headers = {**HEADERS, "content-disposition": disposition}
        return Response(_as_csv(usage), media_type="text/csv", headers=headers)

    async def payment(self, request: Request) -> Response:
        """For the page that waits for a credit."""
        visit = await self._holders.visit_by_cookie(request)
        news = await self._open_dashboard.payment(visit.holder.account_id, utc_now())
        return JSONResponse({"state": news.state.value}, headers=HEADERS)

    async def requests(self, request: Request) -> Response:
        visit = await self._holders.visit_by_cookie(request)
        cursor = request.query_params.get("cursor", "")[:CURSOR_LENGTH_MAX] or None
        page = await self._open_dashboard.requests(visit.holder.account_id, cursor=cursor)
        return self._pages.render("requests.html", page=page, cursor=cursor)

    async def receipt(self, request: Request) -> Response:
        visit = await self._holders.visit_by_cookie(request)
        request_id = _request_id(request.path_params["request_id"])
        found = await self._open_dashboard.receipt(visit.holder.account_id, request_id)
        if found is None:
            raise NoSuchRequest("Nothing of this id is booked for your account.")
        return self._pages.render("receipt.html", reply=found, receipt=found.receipt)


def _request_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NoSuchRequest("This is no request id.") from error


def _as_csv(usage: tuple[UsageDay, ...]) -> str:
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(["day_utc", "requests", "tokens_prompt", "tokens_completion", "tokens"])
    for each in usage:
        writer.writerow([each.day, each.requests, each.tokens_prompt, each.tokens_completion, each.tokens])
    return written.getvalue()
