"""The front page: what this is, what it costs, and the way in."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.accounts.domain.packs import PACKS
from services.accounts.domain.trials import TrialTerms
from services.accounts.entrypoints.pages import Pages


class Landing:
    def __init__(self, pages: Pages, trial_terms: TrialTerms) -> None:
        self._pages = pages
        self._trial_terms = trial_terms

    def routes(self) -> list[Route]:
        return [Route("/", self.show, methods=["GET"])]

    async def show(self, _: Request) -> Response:
        return self._pages.render("landing.html", packs=PACKS, trial=self._trial_terms)
