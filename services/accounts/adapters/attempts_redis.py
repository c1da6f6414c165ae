"""How often somebody tried something lately, as an exact sliding window in Redis. Raises RedisError or Unavailable."""

from redis.asyncio import Redis

from shared.admission.lua import Call, run
from shared.admission.replies import ip_refusal_of
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
        return await self._ask("limit_ip", subject)

    async def look(self, subject: str) -> int | None:
        """The same, without counting: where only what goes wrong counts."""
        return await self._ask("limit_look", subject)

    async def _ask(self, script: str, subject: str) -> int | None:
        """One step in Redis, by its clock: of attempts made at once, each sees those before it."""
        window = f"{self._what}:{subject}"
        call = Call(script, [window], [new_request_id(), self._attempts_max, self._window_seconds * 1000])
        [reply] = await run(self._redis, call)
        refused = ip_refusal_of(reply)
        return None if refused is None else refused.retry_after_seconds
