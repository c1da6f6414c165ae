"""Was a form sent from a page of ours? What accounts and billing ask before they take a form by cookie."""

from urllib.parse import urlsplit

from starlette.requests import Request


def is_from_our_page(request: Request) -> bool:
    """The Origin's host is the request's own. An absent one is not.

    From a page that tells no referrer, as ours do, browsers send `Origin: null` (Fetch standard, "append a request
    `Origin` header"). Then only their own word of `same-origin` counts: a sandboxed frame is `null` as well, but
    that word it cannot have.
    """
    origin, host = request.headers.get("origin", ""), request.headers.get("host", "").lower()
    if origin == "null":
        return request.headers.get("sec-fetch-site") == "same-origin"
    return bool(host) and _host_of(origin) == host


def _host_of(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https") else ""
