"""Every answer of billing: a page for people, JSON for programs, refusals included."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.errors import PromptlyError, Unavailable
from shared.http.errors import body_of, headers_of, status_of
from shared.http.request_log import INTERNAL_PREFIX

TEMPLATES = Path(__file__).parents[1] / "templates"
WEBHOOKS = ("/stripe/webhook", "/btcpay/webhook")

FOR_PROGRAMS = {"vary": "accept"}
SEE_OTHER = 303


def _policy(form_targets: Sequence[str]) -> str:
    """Nothing inline, nothing from elsewhere. Browsers apply form-action to the redirect that answers a form, too:
    the providers' pages are named."""
    targets = " ".join(["'self'", *form_targets])
    return (
        f"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action {targets}; base-uri 'none';"
        " frame-ancestors 'none'"
    )


class Answers:
    """`form_targets`: where, apart from here, a form may lead. Nobody else is told our addresses, which hold no
    secret; `no-referrer` would make browsers send our own forms with `Origin: null` (Fetch, "append an Origin")."""

    def __init__(self, form_targets: Sequence[str]) -> None:
        self._headers = {
            "content-security-policy": _policy(form_targets),
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
            "vary": "accept, cookie",
        }
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "number": lambda count: f"{count:,}",
            "dollars": lambda cents: f"${cents / 100:.2f}",
            "day": lambda instant: f"{instant.day} {instant:%B %Y}",
        }

    def page(
        self,
        request: Request,
        template: str,
        facts: Mapping[str, Any],
        *,
        status: int = 200,
        **only_shown: Any,
    ) -> Response:
        """`facts` is the JSON body, and what the template shows together with `only_shown`."""
        if wants_json(request):
            return JSONResponse(dict(facts), status, headers={**FOR_PROGRAMS, "cache-control": "no-store"})
        text = self._templates.get_template(template).render({**facts, **only_shown})
        return HTMLResponse(text, status, headers={**self._headers, **_kept_to_itself(request)})

    def see_other(self, request: Request, url: str, facts: Mapping[str, Any]) -> Response:
        """303 for both: a program that does not follow it finds the address in the body as well."""
        headers = {"location": url, "cache-control": "no-store", "referrer-policy": "no-referrer"}
        if wants_json(request):
            return JSONResponse(dict(facts), SEE_OTHER, headers={**headers, **FOR_PROGRAMS})
        return Response(status_code=SEE_OTHER, headers=headers)

    async def error(self, request: Request, error: Exception) -> Response:
        """The exception handler for PromptlyError."""
        assert isinstance(error, PromptlyError)
        status = status_of(error.kind)
        if wants_json(request) or request.url.path.startswith((INTERNAL_PREFIX, *WEBHOOKS)):
            return JSONResponse(body_of(error), status, headers={**FOR_PROGRAMS, **headers_of(error)})
        page = self.page(request, "refused.html", {"status": status, "message": error.message}, status=status)
        page.headers.update(headers_of(error))
        return page

    async def unavailable(self, request: Request, _: Exception) -> Response:
        """The exception handler for a database that is down."""
        message = "A part of the service does not answer at the moment. Please try again soon."
        return await self.error(request, Unavailable(message, retry_after_seconds=5))


def _kept_to_itself(request: Request) -> Mapping[str, str]:
    """An address with a key in it is told to nobody, not even to us."""
    return {"referrer-policy": "no-referrer"} if "key" in request.query_params else {}


def wants_json(request: Request) -> bool:
    """Browsers ask for HTML, and who asks for nothing in particular gets it, too."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
