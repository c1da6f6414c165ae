"""A client hears that we are out of service; the log says which part, and why."""

from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from services.gateway.use_cases.outage import out_of_service, redis_failed


def test_a_failure_of_redis_is_logged_with_its_step_and_its_cause() -> None:
    error = RedisConnectionError("no connection to redis:6379")
    error.__cause__ = TimeoutError()
    with capture_logs() as logs:
        shown = redis_failed("admit", error)
    [line] = logs
    assert (line["event"], line["reason"], line["step"]) == ("out_of_service", "redis_failed", "admit")
    assert (line["error"], line["cause"]) == ("ConnectionError", "TimeoutError")
    assert "redis" not in str(shown).lower()


def test_another_reason_is_logged_by_its_name() -> None:
    with capture_logs() as logs:
        assert out_of_service("settlement_stream_full").retry_after_seconds
    assert [line["reason"] for line in logs] == ["settlement_stream_full"]
