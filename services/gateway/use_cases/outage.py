"""What the admission desk raises when Redis is the reason, and what the client is told then."""

from redis.exceptions import RedisError

from services.gateway.domain.errors import Overloaded
from services.gateway.use_cases.measure import REDIS_ERRORS as REDIS_ERRORS_SEEN
from shared.errors import Unavailable

REDIS_ERRORS = (RedisError, Unavailable, OSError)
RETRY_AFTER_SECONDS = 2


def redis_failed(step: str) -> Overloaded:
    REDIS_ERRORS_SEEN.labels(step).inc()
    return out_of_service()


def out_of_service() -> Overloaded:
    return Overloaded(
        "The service cannot take requests at the moment. Please try again.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
