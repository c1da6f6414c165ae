"""Renders the templates, with the headers that every page for people carries."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

HERE = Path(__file__).parent.parent
STATIC_FOLDER = HERE / "static"

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'self'",
        "script-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Nothing inline, nothing from elsewhere; what a page shows of a person is kept nowhere."""

TEXT_HEADERS = {"cache-control": "public, max-age=300", "x-content-type-options": "nosniff"}

OUTCOMES = {
    "completed": "completed",
    "client_disconnected": "you left",
    "upstream_failed": "broke off on our side",
    "lost": "lost",
    "revoked": "key revoked",
}

STRICT_TRANSPORT = {"strict-transport-security": "max-age=31536000"}
"""Browsers heed it only where TLS brought it."""


class Pages:
    def __init__(self, base_url: str) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._texts = self._environment.overlay(autoescape=False)
        self._environment.filters |= {
            "number": _number,
            "signed": _signed,
            "compact": _compact,
            "instant": _instant,
            "moment": _moment,
            "short_day": _short_day,
            "money": _money,
            "facts": _facts,
            "outcome": _outcome,
        }
        self._environment.globals |= {"base_url": base_url.rstrip("/"), "asset": _asset_urls().__getitem__}
        self._transport = STRICT_TRANSPORT if base_url.startswith("https:") else {}

    def render(
        self, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """`values` are what the template names; one that is missing is an error, not a blank."""
        text = self._environment.get_template(template).render(status=status, **values)
        return HTMLResponse(text, status, headers={**HEADERS, **self._transport, **(headers or {})})

    def write(self, template: str, media_type: str, **values: object) -> Response:
        """Text for programs: nothing in it is escaped, and nothing in it is of a person."""
        text = self._texts.get_template(template).render(**values)
        return Response(text, media_type=media_type, headers=TEXT_HEADERS)


def _asset_urls() -> dict[str, str]:
    """A changed file has a changed address, so that no browser shows an old one."""
    return {
        path.name: f"/static/{path.name}?v={sha256(path.read_bytes()).hexdigest()[:12]}"
        for path in STATIC_FOLDER.iterdir()
    }


def _number(value: int) -> str:
    return f"{value:,}"


def _signed(value: int) -> str:
    return f"{value:+,}"


def _compact(value: int) -> str:
    """As a scale shows it: 500, 20k, 5M."""
    for size, unit in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return str(value)


def _money(cents: int, currency: str) -> str:
    return f"${cents / 100:.2f}" if currency.lower() == "usd" else f"{cents / 100:.2f} {currency.upper()}"


def _outcome(value: str) -> str:
    """As a holder reads it; an outcome added later is shown by its own name."""
    return OUTCOMES.get(value, value.replace("_", " "))


def _facts(values: Mapping[str, object] | None) -> str:
    """What an action was about, in a cell of a table."""
    shown = (values or {}).items()
    return ", ".join(f"{name} {_number(value) if isinstance(value, int) else value}" for name, value in shown)


def _instant(value: datetime) -> str:
    return f"{value.day} {value:%B %Y, %H:%M} UTC"


def _moment(value: datetime) -> str:
    """In a table whose heading says UTC."""
    return f"{value.day} {value:%b %Y, %H:%M}"


def _short_day(value: datetime) -> str:
    return f"{value.day} {value:%b}"
