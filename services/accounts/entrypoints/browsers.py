"""What a browser may do on somebody's behalf: when it is given a cookie, and when a form sent with one counts.

a cookie is set      only where Sec-Fetch-Site is absent, `none` or `same-origin`: another site cannot sign
                     a visitor in, neither with a link nor with a form (login CSRF)
a form by cookie     needs an Origin whose host is the request's, and the token that our page put into it
"""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from shared.errors import Kind, PromptlyError
from shared.http.own_page import is_from_our_page

OWN_SITES = (None, "none", "same-origin")


class NotFromOurPage(PromptlyError):
    """A form came with a cookie from somewhere else."""

    kind = Kind.FORBIDDEN
    code = "not_from_our_page"


def may_be_signed_in(request: Request) -> bool:
    """Whether the answer may set a cookie. A browser too old for Sec-Fetch-Site still tells a form's Origin."""
    if request.headers.get("sec-fetch-site") not in OWN_SITES:
        return False
    return "origin" not in request.headers or is_from_our_page(request)


def require_our_page(request: Request) -> None:
    if not is_from_our_page(request):
        raise NotFromOurPage(
            "This form was not sent from a page of ours. Please open the page and try again."
        )


class Cookie:
    """One cookie of ours: no script reads it, no other site's form carries it, and TLS keeps it where there is TLS."""

    def __init__(self, name: str, base_url: str, *, path: str, lifetime_seconds: int) -> None:
        self.name = name
        self._path = path
        self._lifetime_seconds = lifetime_seconds
        self._tls_host = urlsplit(base_url).netloc.lower() if base_url.startswith("https:") else None

    def read(self, request: Request) -> str:
        return request.cookies.get(self.name, "")

    def put(self, request: Request, response: Response, token: str) -> None:
        """Secure on the public host; elsewhere, as on a private network's plain address, it must still work."""
        response.set_cookie(
            self.name,
            token,
            max_age=self._lifetime_seconds,
            path=self._path,
            secure=request.headers.get("host", "").lower() == self._tls_host,
            httponly=True,
            samesite="lax",
        )

    def drop(self, response: Response) -> None:
        response.delete_cookie(self.name, path=self._path, httponly=True, samesite="lax")
