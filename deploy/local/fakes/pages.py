"""The pay pages: an order, the outcomes to choose from, and how honestly events are to be delivered.

Marked as a stand-in in large letters; nothing that is typed by a customer is asked for here.
"""

from collections.abc import Iterable
from html import escape

from fastapi.responses import HTMLResponse

from deploy.local.fakes.delivery import MANNERS
from deploy.local.fakes.stripe_events import FORMATS

FAIL_ONCE = "answer 500 to the next new order"
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#1c2430}"
    ".fake{background:#fff3cd;border:2px dashed #b58900;padding:1rem;border-radius:.5rem}"
    "button{font:inherit;margin:.2rem;padding:.4rem .9rem}dt{color:#5b6675;float:left;width:8rem}"
    "dd{margin:0 0 0 8rem;overflow-wrap:anywhere}fieldset{margin:1rem 0;border:1px solid #d5dae1}"
)
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def render_payment(
    provider: str, facts: dict[str, str], outcomes: Iterable[str], *, manner: str, format_: str, said: str
) -> HTMLResponse:
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    buttons = "".join(_button("outcome", each) for each in outcomes)
    notice = f'<p role="status"><b>{escape(said)}</b></p>' if said else ""
    return _page(
        f"Stand-in for {provider}",
        f'<p class="fake"><b>This is not {escape(provider)}.</b> It is a stand-in on your own machine: '
        "no money moves, whatever you choose.</p>"
        f"<h1>Pay</h1><dl>{listed}</dl>{notice}"
        f'<form method="post"><fieldset><legend>What happens</legend>{buttons}</fieldset>'
        f"<fieldset><legend>How its events arrive from now on</legend>"
        f"{_choice('manner', MANNERS, manner)}{_choice('format', FORMATS, format_)}"
        "<button>Set</button></fieldset>"
        f"<fieldset><legend>How it answers</legend>{_button('api', FAIL_ONCE)}</fieldset></form>",
    )


def render_nothing(status: int, sentence: str) -> HTMLResponse:
    return _page("Stand-in", f"<p>{escape(sentence)}</p>", status)


def _button(name: str, value: str) -> str:
    return f'<button name="{name}" value="{escape(value)}">{escape(value.capitalize())}</button>'


def _choice(name: str, values: Iterable[str], chosen: str) -> str:
    options = "".join(
        f"<option{' selected' if value == chosen else ''}>{escape(value)}</option>" for value in values
    )
    return f'<label>{name} <select name="{name}">{options}</select></label> '


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>",
        status,
        headers=HEADERS,
    )
