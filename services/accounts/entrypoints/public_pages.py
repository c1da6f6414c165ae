"""What everybody may read: the front page, the manual for people and for agents, and what crawlers and browsers ask for."""

from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from services.accounts.domain.packs import PACKS
from services.accounts.domain.trials import TrialTerms
from services.accounts.entrypoints.pages import STATIC_FOLDER, Pages

MARKDOWN = "text/markdown"
FOR_AN_HOUR = {"cache-control": "public, max-age=3600"}


class PublicPages:
    def __init__(self, pages: Pages, trial_terms: TrialTerms, requests_per_minute: int) -> None:
        self._pages = pages
        self._facts: dict[str, Any] = {
            "packs": PACKS,
            "trial": trial_terms,
            "requests_per_minute": requests_per_minute,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/", self.landing, methods=["GET"]),
            Route("/docs", self.docs, methods=["GET"]),
            Route("/AGENTS.md", self.agents, methods=["GET"]),
            Route("/llms.txt", self.llms, methods=["GET"]),
            Route("/robots.txt", self.robots, methods=["GET"]),
            Route("/favicon.ico", self.favicon, methods=["GET"]),
        ]

    async def landing(self, _: Request) -> Response:
        return self._pages.render("landing.html", **self._facts)

    async def docs(self, _: Request) -> Response:
        return self._pages.render("docs.html", **self._facts)

    async def agents(self, _: Request) -> Response:
        return self._pages.write("agents.md", MARKDOWN, **self._facts)

    async def llms(self, _: Request) -> Response:
        return self._pages.write("llms.txt", MARKDOWN, **self._facts)

    async def robots(self, _: Request) -> Response:
        return self._pages.write("robots.txt", "text/plain")

    async def favicon(self, _: Request) -> Response:
        return FileResponse(STATIC_FOLDER / "mark.svg", headers=FOR_AN_HOUR)
