"""How often somebody tried something lately, as an exact sliding window in Redis. Raises RedisError or Unavailable."""

from redis.asyncio import Redis

from shared.admission.lua import Call, run
from shared.admission.replies import ip_refusal_of
from shared.clock import utc_now
from shared.ids import new_request_id


class Attempts:
    """`what` names the window in Redis; what is counted by must hold no address of a person in clear."""

    def __init__(self, redis: Redis, what: str, *, attempts_max: int, window_seconds: int) -> None:
        self._redis = redis
        self._what = what
        self._attempts_max = attempts_max
        self._window_seconds = window_seconds

    async def enter(self, subject: str) -> int | None:
        """None when there was room, and this one counts; else the seconds until there is."""
        call = Call(
            "limit_ip",
            [self._window_of(subject)],
            [new_request_id(), self._attempts_max, self._window_seconds * 1000],
        )
        [reply] = await run(self._redis, call)
        refused = ip_refusal_of(reply)
        return None if refused is None else refused.retry_after_seconds

    async def is_full(self, subject: str) -> bool:
        """Without counting: where only what goes wrong counts."""
        since_ms = round(utc_now().timestamp() * 1000) - self._window_seconds * 1000
        used = await self._redis.zcount(self._window_of(subject), since_ms, "+inf")
        return int(used) >= self._attempts_max

    def _window_of(self, subject: str) -> str:
        return f"{self._what}:{subject}"
