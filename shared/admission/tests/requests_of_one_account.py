"""What gateways and the sweeper do with the requests of one account, each step compared with the model."""

from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    multiple,
    rule,
)

from shared.admission.decisions import (
    Admitted,
    CallKind,
    CountNeeded,
    Decision,
    HoldRequest,
    PromptCount,
    Refused,
    Settled,
)
from shared.admission.sweep import NotStale, Swept, sweep
from shared.admission.tests.building import (
    ACCOUNT,
    FAR_FUTURE_MS,
    checkpoint_for,
    open_account,
    record_for,
    request_for,
)
from shared.admission.tests.plain_model import ACCOUNT_CONCURRENCY, Desk, Ledger, ModelHold
from shared.admission.tests.world import World
from shared.contracts.gateway import REVISION_SERVED, REVISION_SWEPT
from shared.ids import RequestId

tokens = st.integers(0, 60)


class RequestsOfOneAccount(RuleBasedStateMachine):
    """Subclassed with the `world` it runs in."""

    requests = Bundle("requests")

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.before_the_end: set[RequestId] = set()
        self.charges: dict[RequestId, int] = {}
        self.held_at_first: dict[RequestId, int] = {}
        self.came_too_late = 0

    @initialize(paid=st.integers(0, 150), trial=st.integers(0, 100))
    def open(self, paid: int, trial: int) -> None:
        self.granted = paid + trial
        self.ledger = Ledger(paid, trial)
        self.model = Desk(self.ledger.snapshot())
        self.world.run(self.world.redis.flushdb())
        grants = (("trial", trial, FAR_FUTURE_MS),)
        opening = open_account(
            self.world.redis,
            posted=paid,
            grants=grants,
            limit_per_minute=10_000,
            limit_concurrent=ACCOUNT_CONCURRENCY,
        )
        self.world.run(opening)

    @rule(
        target=requests,
        prompt=tokens,
        completion=tokens,
        prompt_count=st.sampled_from(PromptCount),
        kind=st.sampled_from(CallKind),
    )
    def admit(
        self, prompt: int, completion: int, prompt_count: PromptCount, kind: CallKind
    ) -> HoldRequest | MultipleResults[HoldRequest]:
        request = request_for(prompt, completion, prompt_count=prompt_count, kind=kind)
        return request if self.try_to_admit(request) else multiple()

    @rule(request=requests)
    def admit_again(self, request: HoldRequest) -> None:
        self.try_to_admit(request)

    @rule(request=requests, share=st.floats(0, 1))
    def settle(self, request: HoldRequest, share: float) -> None:
        request_id = request.request_id
        if self.model.done.get(request_id) == 0:
            return  # released: nothing was generated
        held = self.held_at_first[request_id]
        charge = int(held * share)
        record = record_for(request_id, charge, 0)
        answer = self.world.run(self.world.desk.settle(ACCOUNT, record, tokens_held=held))
        settled = self.model.settle(request_id, REVISION_SERVED, charge)
        assert isinstance(answer, Settled) == settled
        if settled:
            swept_charge = self.charges.get(request_id)
            if swept_charge is not None:
                self.came_too_late += max(charge - swept_charge, 0)
            self.charges[request_id] = charge

    @rule(request=requests)
    def release(self, request: HoldRequest) -> None:
        self.world.run(self.world.desk.release(ACCOUNT, request.request_id))
        self.model.release(request.request_id)

    @rule(request=requests, prompt=tokens, completion=tokens)
    def checkpoint(self, request: HoldRequest, prompt: int, completion: int) -> None:
        held = self.held_at_first[request.request_id]
        entry = checkpoint_for(request.request_id, prompt, completion, tokens_held=held)
        gone = self.world.run(self.world.desk.checkpoint([entry])).swept
        hold = self.model.holds.get(request.request_id)
        assert gone == (() if hold else (request.request_id,))
        if hold:
            hold.prompt = max(hold.prompt, prompt)
            hold.completion = max(hold.completion, completion)

    @rule(request=requests)
    def sweep(self, request: HoldRequest) -> None:
        request_id = request.request_id
        hold = self.model.holds.get(request_id)
        answer = self.world.run(sweep(self.world.redis, ACCOUNT, request_id, 0.0))
        if hold is None:
            assert answer == NotStale()
            return
        assert isinstance(answer, Swept)
        assert answer.record.tokens == hold.lost_tokens()
        self.model.settle(request_id, REVISION_SWEPT, hold.lost_tokens())
        self.charges.setdefault(request_id, hold.lost_tokens())

    @rule(request=requests)
    def sweep_too_early(self, request: HoldRequest) -> None:
        answer = self.world.run(sweep(self.world.redis, ACCOUNT, request.request_id, 3600.0))
        assert answer == NotStale()

    def try_to_admit(self, request: HoldRequest) -> bool:
        """True when it runs now."""
        expected = self.model.decide(
            request.request_id, request.tokens_prompt, request.prompt_count, request.tokens_completion
        )
        decision = self.world.run(self.world.desk.admit_again(request))
        assert essence_of(decision) == expected
        if not isinstance(decision, Admitted):
            return False
        assert decision.tokens_completion == decision.tokens_held - request.tokens_prompt
        hold = ModelHold(decision.tokens_held, request.kind)
        self.model.holds.setdefault(request.request_id, hold)
        self.held_at_first.setdefault(request.request_id, decision.tokens_held)
        return True


def essence_of(decision: Decision) -> int | str:
    match decision:
        case Admitted():
            return decision.tokens_held
        case Refused():
            return decision.reason
        case CountNeeded():
            return "count_needed"
        case _:
            return "unknown"
