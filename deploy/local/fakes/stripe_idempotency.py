"""Stripe's rules for idempotency keys (docs.stripe.com/api/idempotent_requests).

The first result is kept once the work has begun, also a 500, and given again; other parameters under the same
key are an error; what failed validation, or met its twin under way, is not kept.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from deploy.local.fakes.stripe_parameters import StripeRefusal

KEY_LENGTH_MAX = 255


@dataclass(frozen=True, slots=True)
class Result:
    status: int
    body: dict[str, Any]
    is_replayed: bool = False


class IdempotencyKeys:
    def __init__(self) -> None:
        self._results: dict[str, tuple[object, Result | None]] = {}

    async def once(self, key: str, request: object, work: Callable[[], Awaitable[Result]]) -> Result:
        """Raises StripeRefusal."""
        if len(key) > KEY_LENGTH_MAX:
            raise StripeRefusal(400, "The idempotency key is too long.", kind="idempotency_error")
        if key in self._results:
            return self._replay(key, request)
        self._results[key] = (request, None)
        try:
            result = await work()
        except StripeRefusal:
            del self._results[key]
            raise
        self._results[key] = (request, result)
        return result

    def _replay(self, key: str, request: object) -> Result:
        first, result = self._results[key]
        if first != request:
            message = f"Keys for idempotent requests can only be used with the same parameters: {key}"
            raise StripeRefusal(400, message, kind="idempotency_error")
        if result is None:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeRefusal(409, message, kind="idempotency_error", code="idempotency_key_in_use")
        return Result(result.status, result.body, is_replayed=True)
