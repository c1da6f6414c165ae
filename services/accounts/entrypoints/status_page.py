"""Is the model up, which one, since when, and how many wait: for people, and as JSON for programs."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.accounts.entrypoints.pages import HEADERS, Pages
from services.accounts.entrypoints.requests import wants_json
from services.accounts.use_cases.read_status import ReadStatus
from shared.clock import utc_now


class StatusPage:
    def __init__(self, pages: Pages, read_status: ReadStatus) -> None:
        self._pages = pages
        self._read_status = read_status

    def routes(self) -> list[Route]:
        return [Route("/status", self.show, methods=["GET"])]

    async def show(self, request: Request) -> Response:
        current = await self._read_status()
        if wants_json(request):
            body = current.model_dump(mode="json") if current else None
            return JSONResponse({"is_up": bool(current and current.model), "gateway": body}, headers=HEADERS)
        return self._pages.render("status.html", current=current, now=utc_now())
