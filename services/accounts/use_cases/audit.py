"""Does what the operator asks for, with a line in the audit log: begun before it, completed after it.

An action that was done before is not done again; one that was cut short may be, and its id makes that safe."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.accounts.adapters import admin_actions_postgres as actions
from services.accounts.domain.operators import Action, Facts, Outcome
from shared.clock import utc_now
from shared.errors import PromptlyError, Unavailable
from shared.postgres import Pool

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Audit:
    pool: Pool

    async def __call__(
        self, action: Action, work: Callable[[], Awaitable[Facts]], *, before: Facts | None = None
    ) -> bool:
        """False when it was done before. `work` returns what is so after it; what it raises is raised on."""
        if not await actions.begin(self.pool, action, before=before or {}, now=utc_now()):
            return False
        try:
            after = await work()
        except PromptlyError as error:
            outcome: Outcome = "failed" if isinstance(error, Unavailable) else "refused"
            await actions.complete(self.pool, action.action_id, outcome, after={"reason": error.message})
            raise
        await actions.complete(self.pool, action.action_id, "done", after=after)
        log.info("admin_action", action=action.name, account_id=action.account_id)
        return True
