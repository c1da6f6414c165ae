"""What the admission desk's refusals say to the client: the error, and the way out in its message."""

from typing import assert_never

from services.gateway.domain.errors import InsufficientQuota, KeyRefused, Overloaded, RateLimited
from shared.admission.decisions import Refusal, Refused
from shared.errors import PromptlyError


def error_of(refused: Refused, base_url: str) -> PromptlyError:
    seconds = max(refused.retry_after_seconds, 1)
    match refused.reason:
        case Refusal.KEY_REVOKED:
            return key_refused(base_url)
        case Refusal.IP_RATE:
            return RateLimited("Too many requests from this address.", retry_after_seconds=seconds)
        case Refusal.KEY_RATE:
            return RateLimited("Too many requests with this key in one minute.", retry_after_seconds=seconds)
        case Refusal.KEY_CONCURRENCY:
            return RateLimited("Too many requests at once with this key.", retry_after_seconds=seconds)
        case Refusal.BALANCE_EXHAUSTED:
            message = f"The balance does not pay for this request. Top up at {base_url}/dashboard."
            return InsufficientQuota(message)
        case Refusal.BALANCE_HELD:
            message = (
                "Running requests of this account hold the rest of its balance. Try again when one has ended."
            )
            return RateLimited(message, retry_after_seconds=seconds)
        case Refusal.ENDED:
            return Overloaded("This request has ended already. Please send it again.", retry_after_seconds=1)
    assert_never(refused.reason)


def key_refused(base_url: str) -> KeyRefused:
    """The same for a missing, malformed, unknown and revoked key."""
    message = (
        f"Incorrect API key provided. Send 'Authorization: Bearer sk-...'; get a key at {base_url}/register."
    )
    return KeyRefused(message)
