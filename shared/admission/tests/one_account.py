"""Everything that can happen to one account, in any order, each step compared with the plain model.

Repeats, late and reordered mirror writes, lost gateways that come back, a trial that ends, deductions.
"""

from dataclasses import dataclass
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from shared.admission.decisions import (
    Admitted,
    CallKind,
    Checkpoint,
    CountNeeded,
    Decision,
    HoldRequest,
    PromptCount,
    Refused,
    Settled,
)
from shared.admission.mirror import Snapshot, open_request_ids, write_mirror
from shared.admission.sweep import NotStale, Swept, sweep
from shared.admission.tests.building import (
    ACCOUNT,
    FAR_FUTURE_MS,
    LONG_AGO_MS,
    NAMES,
    open_account,
    record_for,
    request_for,
    stored_in,
)
from shared.admission.tests.plain_model import (
    ACCOUNT_CONCURRENCY,
    Desk,
    Ledger,
    LedgerSnapshot,
    ModelHold,
)
from shared.admission.tests.world import World
from shared.contracts.gateway import REVISION_SERVED, REVISION_SWEPT
from shared.ids import RequestId

tokens = st.integers(0, 60)


@dataclass
class Pass:
    """A mirror pass on its way: ids read, then perhaps the ledger, then written any number of times."""

    open_ids: set[RequestId]
    snapshot: LedgerSnapshot | None = None


class OneAccount(RuleBasedStateMachine):
    """Subclassed with the `world` it runs in."""

    requests = Bundle("requests")
    passes = Bundle("passes")

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
        return request if self._admit(request) else multiple()

    @rule(request=requests)
    def admit_again(self, request: HoldRequest) -> None:
        self._admit(request)

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
        entry = Checkpoint(ACCOUNT, request.request_id, prompt, completion)
        gone = self.world.run(self.world.desk.checkpoint([entry]))
        hold = self.model.holds.get(request.request_id)
        assert gone == ([] if hold else [request.request_id])
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

    @precondition(lambda self: self.model.stream)
    @rule(back=st.integers(0, 5))
    def post(self, back: int) -> None:
        """Any record, in any order, again and again."""
        self._post(*self.model.stream[-1 - back % len(self.model.stream)])

    @rule(tokens=tokens)
    def deduct(self, tokens: int) -> None:
        """Takes a hold under its own id and is posted; only a mirror pass ends the hold."""
        request = request_for(tokens, 0)
        if self._admit(request):
            self._post(request.request_id, REVISION_SERVED, tokens)
            self.charges[request.request_id] = tokens

    @rule(tokens=tokens)
    def credit(self, tokens: int) -> None:
        self.ledger.credit(tokens)
        self.granted += tokens

    @precondition(lambda self: not self.model.trial_ended)
    @rule()
    def trial_ends(self) -> None:
        """Time is the test's: the end moves into the past, here and in what is yet to be written."""
        self.model.trial_ended = True
        self.before_the_end = {*self.model.holds, *self.model.done}
        if trial := self.model.mirrored.trial:
            ended = f"{trial}:{LONG_AGO_MS}"
            self.world.run(self.world.redis.hset(NAMES.account, "grant:trial", ended))

    @precondition(lambda self: self.model.trial_ended and not self.ledger.trial_closed)
    @rule()
    def close_trial(self) -> None:
        """Posted only when nothing admitted before the end is held or journalled."""
        if not self.before_the_end & {*self.model.holds, *self.model.journal}:
            self.ledger.close_trial()

    @rule(target=passes)
    def mirror(self) -> Pass:
        """A pass in one go; it stays to be written again, late."""
        this = self._begin_pass()
        self.arrive(this)
        return this

    @rule(target=passes, reads_ledger=st.booleans())
    def begin_mirror(self, reads_ledger: bool) -> Pass:
        """A pass with something between its steps."""
        this = self._begin_pass()
        if reads_ledger:
            this.snapshot = self.ledger.snapshot()
        return this

    @rule(this=passes)
    def arrive(self, this: Pass) -> None:
        this.snapshot = this.snapshot or self.ledger.snapshot()
        self._write(this.open_ids, this.snapshot)

    @invariant()
    def redis_is_as_the_model(self) -> None:
        stored = self.world.run(stored_in(self.world.redis))
        stored.assert_counters_are_sums()
        assert {name: hold.tokens for name, hold in stored.holds.items()} == {
            name: hold.tokens for name, hold in self.model.holds.items()
        }
        assert stored.journal == self.model.journal
        assert stored.published == len(self.model.stream)

    @invariant()
    def the_balance_shown_is_what_can_be_held(self) -> None:
        view = self.world.run(self.world.desk.balance(ACCOUNT))
        assert view is not None
        assert (view.available, view.held) == (max(self.model.free, 0), self.model.held)

    @invariant()
    def nobody_spends_what_was_not_granted(self) -> None:
        """All but what a gateway generated after it was given up: that comes too late to be refused."""
        open_holds = {name: hold.tokens for name, hold in self.model.holds.items()}
        spent = sum({**open_holds, **self.charges}.values())
        assert spent <= self.granted + self.came_too_late
        assert self.ledger.uncollected <= self.came_too_late

    @invariant()
    def nothing_is_below_zero(self) -> None:
        if not self.model.trial_ended:
            assert self.model.free + self.model.counted_twice >= -self.came_too_late

    def teardown(self) -> None:
        """When all is posted and one pass has come through, Redis says what the ledger says."""
        if hasattr(self, "model"):
            for entry in self.model.stream:
                self._post(*entry)
            open_ids = self.world.run(open_request_ids(self.world.redis, ACCOUNT))
            self._write(open_ids, self.ledger.snapshot())
            self.redis_is_as_the_model()
            assert self.model.journal == {}
            trial = 0 if self.model.trial_ended else self.ledger.trial
            assert self.model.spendable == self.ledger.paid + trial

    def _admit(self, request: HoldRequest) -> bool:
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

    def _begin_pass(self) -> Pass:
        return Pass(self.world.run(open_request_ids(self.world.redis, ACCOUNT)))

    def _post(self, request_id: RequestId, revision: int, charge: int) -> None:
        may_burn_trial = not self.model.trial_ended or request_id in self.before_the_end
        self.ledger.post(request_id, revision, charge, may_burn_trial=may_burn_trial)

    def _write(self, open_ids: set[RequestId], snapshot: LedgerSnapshot) -> None:
        ends_at_ms = LONG_AGO_MS if self.model.trial_ended else FAR_FUTURE_MS
        grants = [("trial", snapshot.trial, ends_at_ms)]
        revisions = {
            request_id: snapshot.posted[request_id].revision
            for request_id in open_ids
            if request_id in snapshot.posted
        }
        said = Snapshot(snapshot.version, snapshot.paid, grants)
        written = self.world.run(write_mirror(self.world.redis, ACCOUNT, said, revisions))
        assert written == self.model.write(snapshot, open_ids)


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
