"""What the client is told when a part of ours is the reason; the log says which, and why."""

import structlog
from redis.exceptions import RedisError

from services.gateway.domain.errors import Overloaded
from services.gateway.use_cases.measure import REDIS_ERRORS as REDIS_ERRORS_SEEN
from shared.errors import Unavailable

REDIS_ERRORS = (RedisError, Unavailable, OSError)
RETRY_AFTER_SECONDS = 2

log = structlog.get_logger()


def redis_failed(step: str, error: Exception) -> Overloaded:
    """Also when accounts or metering failed to refill it: then the error is Unavailable."""
    REDIS_ERRORS_SEEN.labels(step).inc()
    cause = error.__cause__
    return out_of_service(
        "redis_failed",
        step=step,
        error=type(error).__name__,
        cause=type(cause).__name__ if cause else None,
    )


def out_of_service(reason: str, **details: str | None) -> Overloaded:
    log.warning("out_of_service", reason=reason, **details)
    return Overloaded(
        "The service cannot take requests at the moment. Please try again.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )
