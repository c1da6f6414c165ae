"""How many registrations came from one client address in the last hour, as an exact sliding window in Redis."""

from redis.asyncio import Redis

from shared.admission.lua import Call, run
from shared.admission.replies import ip_refusal_of
from shared.ids import new_request_id

WINDOW_SECONDS = 3600


class RegistrationLimit:
    def __init__(self, redis: Redis, per_hour: int) -> None:
        self._redis = redis
        self._per_hour = per_hour

    async def enter(self, subject: str) -> int | None:
        """None when there was room, and this one counts; else the seconds until there is.

        Raises RedisError or Unavailable when Redis does not answer.
        """
        call = Call(
            "limit_ip",
            [f"register:{subject}"],
            [new_request_id(), self._per_hour, WINDOW_SECONDS * 1000],
        )
        [reply] = await run(self._redis, call)
        refused = ip_refusal_of(reply)
        return None if refused is None else refused.retry_after_seconds
