"""Acknowledges an event: it is durable before the provider hears 200, and then the worker looks."""

from collections.abc import Callable
from dataclasses import dataclass

from services.billing.adapters import webhook_events_postgres as events
from services.billing.domain.hints import Hint
from services.billing.use_cases.measure import EVENTS_TAKEN
from shared import faults
from shared.clock import utc_now
from shared.postgres import Pool


@dataclass(frozen=True, slots=True)
class TakeEvent:
    pool: Pool
    on_commit: Callable[[], None]

    async def __call__(self, hint: Hint) -> None:
        is_new = await events.take_event(self.pool, hint, now=utc_now())
        faults.reached("webhook_kept")
        EVENTS_TAKEN.labels(hint.method, "new" if is_new else "known").inc()
        if is_new:
            self.on_commit()
