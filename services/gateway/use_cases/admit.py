"""Brings a caller past the admission desk: refills what Redis has lost, counts exactly when it must, waits
while only running requests stand in the way. Leaves no hold behind when it raises.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar, assert_never

from services.gateway.adapters.refills_http import HttpRefills
from services.gateway.domain.generation import GenerationRequest
from services.gateway.domain.prompt_bound import BEYOND_ANY_BALANCE
from services.gateway.domain.refusals import error_of, key_refused
from services.gateway.use_cases.caller import Caller, KeyClaim
from services.gateway.use_cases.held_waiters import HeldWaiters
from services.gateway.use_cases.open_account import not_ready, open_account
from services.gateway.use_cases.outage import REDIS_ERRORS, redis_failed
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.upstream import Upstream
from services.gateway.use_cases.watch_template import TemplateWatch
from shared.admission.decisions import (
    Admitted,
    Authenticated,
    CallKind,
    CountNeeded,
    HoldRequest,
    Missing,
    PromptCount,
    RateState,
    Refusal,
    Refused,
    Unknown,
)
from shared.admission.desk import AdmissionDesk

ROUNDS_MAX = 6
"""Key refill, account refill, exact count, and the admission itself; a few more for races."""
HELD_POLL_SECONDS = 0.2
Granted = TypeVar("Granted", Admitted, Authenticated)


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    base_url: str
    ip_limit_per_minute: int
    wait_for_held_seconds: float


class Admission:
    def __init__(
        self,
        desk: AdmissionDesk,
        refills: HttpRefills,
        upstream: Upstream,
        settlements: Settlements,
        template: TemplateWatch,
        policy: AdmissionPolicy,
    ) -> None:
        self._desk = desk
        self._refills = refills
        self._upstream = upstream
        self._settlements = settlements
        self._template = template
        self._policy = policy
        self._held_waiters = HeldWaiters()

    async def claimed_key(self, caller: Caller) -> KeyClaim:
        """Without a well-formed key only the address's limit is asked, and goes first."""
        if caller.key is not None:
            return caller.key
        limit = self._policy.ip_limit_per_minute
        try:
            answer = await self._desk.admit_address(
                caller.request_id, ip_subject=caller.ip_subject, ip_limit=limit
            )
        except REDIS_ERRORS as error:
            raise redis_failed("admit", error) from error
        self._tell(caller, answer)
        raise key_refused(self._policy.base_url)

    async def turn_away(self, caller: Caller) -> None:
        """Before a refusal that needs no key: counts for the address, not for the key, and fills in the rate.
        Without Redis nobody is counted."""
        request_id, key, ip_subject = caller.request_id, caller.key, caller.ip_subject
        limit = self._policy.ip_limit_per_minute
        try:
            if key is None:
                answer = await self._desk.admit_address(request_id, ip_subject=ip_subject, ip_limit=limit)
            else:
                answer = await self._desk.look(
                    request_id, key.digest, key.account_id, ip_subject=ip_subject, ip_limit=limit
                )
        except REDIS_ERRORS:
            return
        self._tell(caller, answer)

    async def authenticate(self, caller: Caller) -> Authenticated:
        """Key and limits, no hold. Raises the refusal."""
        key = await self.claimed_key(caller)
        try:
            for _ in range(ROUNDS_MAX):
                decision = await self._desk.authenticate(
                    caller.request_id,
                    key.digest,
                    key.account_id,
                    ip_subject=caller.ip_subject,
                    ip_limit=self._policy.ip_limit_per_minute,
                )
                if not isinstance(decision, Unknown):
                    return self._accept(caller, decision)
                caller.rate = decision.rate
                await self._refill(key, decision.missing)
        except REDIS_ERRORS as error:
            raise redis_failed("admit", error) from error
        raise not_ready("rounds_used_up")

    async def admit(
        self, caller: Caller, asked: GenerationRequest, endpoint: str, *, still_wanted: Callable[[], bool]
    ) -> Admitted:
        """A hold for this request. Raises the refusal. `still_wanted` is asked while it waits for money."""
        key = await self.claimed_key(caller)
        request = _hold_request(caller, key, asked, endpoint)
        if not self._template.bound_holds:
            request = replace(request, tokens_prompt=BEYOND_ANY_BALANCE)
        try:
            with self._held_waiters.place(key.account_id) as place:
                return await self._admit(caller, asked, request, key, lambda: still_wanted() and place.take())
        except REDIS_ERRORS as error:
            self._settlements.release_unanswered(key.account_id, caller.request_id)
            raise redis_failed("admit", error) from error
        except asyncio.CancelledError:
            self._settlements.release_unanswered(key.account_id, caller.request_id)
            raise

    async def _admit(
        self,
        caller: Caller,
        asked: GenerationRequest,
        request: HoldRequest,
        key: KeyClaim,
        may_wait: Callable[[], bool],
    ) -> Admitted:
        limit = self._policy.ip_limit_per_minute
        decision = await self._desk.admit(request, ip_subject=caller.ip_subject, ip_limit=limit)
        deadline = _now() + self._policy.wait_for_held_seconds
        rounds = 0
        while rounds < ROUNDS_MAX:
            match decision:
                case Refused(Refusal.BALANCE_HELD) if _now() < deadline and may_wait():
                    await asyncio.sleep(HELD_POLL_SECONDS)
                case Admitted() | Refused():
                    return self._accept(caller, decision)
                case CountNeeded(rate):
                    caller.rate = rate
                    request, rounds = await self._counted(request, asked), rounds + 1
                case Unknown(missing, rate):
                    caller.rate = rate or caller.rate
                    await self._refill(key, missing)
                    rounds += 1
                case _:
                    assert_never(decision)
            decision = await self._desk.admit_again(request)
        raise not_ready("rounds_used_up")

    def _tell(self, caller: Caller, answer: RateState | Refused) -> None:
        if isinstance(answer, Refused):
            caller.rate = answer.rate
            raise error_of(answer, self._policy.base_url)
        caller.rate = answer

    def _accept(self, caller: Caller, decision: Granted | Refused) -> Granted:
        caller.rate = decision.rate or caller.rate
        if isinstance(decision, Refused):
            raise error_of(decision, self._policy.base_url)
        return decision

    async def _refill(self, key: KeyClaim, missing: Missing) -> None:
        if missing is Missing.KEY and not await self._refills.refill_key(key.digest):
            raise key_refused(self._policy.base_url)
        if missing is Missing.ACCOUNT:
            await open_account(self._refills, key.account_id)

    async def _counted(self, request: HoldRequest, asked: GenerationRequest) -> HoldRequest:
        tokens = await self._upstream.count_prompt(asked.count_call())
        return replace(request, tokens_prompt=tokens, prompt_count=PromptCount.EXACT)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _hold_request(caller: Caller, key: KeyClaim, asked: GenerationRequest, endpoint: str) -> HoldRequest:
    return HoldRequest(
        request_id=caller.request_id,
        digest=key.digest,
        account_id=key.account_id,
        endpoint=endpoint,
        model="",
        kind=CallKind.STREAM if asked.stream else CallKind.WHOLE,
        tokens_prompt=asked.tokens_prompt_bound,
        prompt_count=PromptCount.BOUND,
        tokens_completion=asked.tokens_completion,
    )
