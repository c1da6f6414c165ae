"""Every answer of billing: a page for people, JSON for programs, refusals included."""

from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.errors import PromptlyError
from shared.http.errors import body_of, headers_of, status_of

TEMPLATES = Path(__file__).parents[1] / "templates"

FOR_PEOPLE = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "vary": "accept",
}
"""Nothing inline, nothing from elsewhere; the address of a page, which may hold a key, is told to nobody."""

FOR_PROGRAMS = {"vary": "accept"}

_templates = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= {
    "number": lambda count: f"{count:,}",
    "dollars": lambda cents: f"${cents / 100:.2f}",
}


def answer(request: Request, template: str, facts: dict[str, Any]) -> Response:
    """`facts` is the JSON body, and what the template shows."""
    if wants_json(request):
        return JSONResponse(facts, headers=FOR_PROGRAMS)
    return _page(template, facts, 200)


async def answer_error(request: Request, error: Exception) -> Response:
    """The exception handler for PromptlyError."""
    assert isinstance(error, PromptlyError)
    status = status_of(error.kind)
    if wants_json(request):
        return JSONResponse(body_of(error), status, headers={**FOR_PROGRAMS, **headers_of(error)})
    return _page("refused.html", {"status": status, "message": error.message}, status)


def _page(template: str, facts: dict[str, Any], status: int) -> Response:
    return HTMLResponse(_templates.get_template(template).render(facts), status, headers=FOR_PEOPLE)


def wants_json(request: Request) -> bool:
    """Browsers ask for HTML, and who asks for nothing in particular gets it, too."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept
