"""What a browser's session is made of. The token lives in its cookie; here is what is derived from it."""

import hmac
from datetime import timedelta
from hashlib import sha256

SESSION_LIFETIME = timedelta(days=14)
SCRIPT_SESSION_LIFETIME = timedelta(days=1)
"""Where nothing says that a browser asked: programs open the dashboard with a key, too, again and again."""
SESSIONS_PER_ACCOUNT_MAX = 20
"""A new one ends what would end first: programs never crowd out the browsers people are signed in with."""
TOKEN_BYTES = 32
TOKEN_LENGTH_MAX = 64


def session_digest_of(token: str) -> str:
    """What is stored: 256 random bits need neither salt nor pepper."""
    return sha256(token.encode()).hexdigest()


def form_token_of(token: str, pepper: bytes) -> str:
    """What a form sent by cookie must repeat: a page of ours can know it, another site cannot."""
    return hmac.digest(pepper, f"form:{token}".encode(), "sha256").hex()


def is_form_token(given: str, token: str, pepper: bytes) -> bool:
    return hmac.compare_digest(given.encode(), form_token_of(token, pepper).encode())
