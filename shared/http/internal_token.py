"""The door of internal routes: who has no internal token is a stranger. Needs no HTTP client."""

import hmac
from collections.abc import Callable

from fastapi import Request

from shared.errors import Kind, PromptlyError
from shared.setting_values import Secrets


class NotInternal(PromptlyError):
    """An internal route was called without the internal token."""

    kind = Kind.FORBIDDEN
    code = "forbidden"


def require_internal_token(tokens: Secrets) -> Callable[[Request], None]:
    """A FastAPI dependency for routers under /internal."""
    accepted = [f"Bearer {token.get_secret_value()}".encode() for token in tokens]

    def check(request: Request) -> None:
        given = request.headers.get("authorization", "").encode()
        if not any(hmac.compare_digest(given, each) for each in accepted):
            raise NotInternal("This address is for the system's own services.")

    return check
