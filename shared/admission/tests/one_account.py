"""Everything that can happen to one account, in any order, and what must be true after each step.

Repeats, late and reordered mirror writes, lost gateways that come back, a trial that ends, deductions.
"""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, precondition, rule

from shared.admission.decisions import HoldRequest
from shared.admission.lower import Held, lower
from shared.admission.mirror import IsOpen, Snapshot, write_mirror
from shared.admission.tests.building import (
    ACCOUNT,
    FAR_FUTURE_MS,
    LONG_AGO_MS,
    NAMES,
    stored_in,
)
from shared.admission.tests.building import open_ids as open_ids_of
from shared.admission.tests.plain_model import LedgerSnapshot
from shared.admission.tests.requests_of_one_account import RequestsOfOneAccount, tokens
from shared.ids import RequestId, new_uuid7


@dataclass
class Pass:
    """A mirror pass on its way: ids read, then perhaps the ledger, then written any number of times."""

    open_ids: set[RequestId]
    snapshot: LedgerSnapshot | None = None


class OneAccount(RequestsOfOneAccount):
    passes = Bundle("passes")

    @precondition(lambda self: self.model.stream)
    @rule(back=st.integers(0, 5))
    def post(self, back: int) -> None:
        """Any record, in any order, again and again."""
        self._post(*self.model.stream[-1 - back % len(self.model.stream)])

    @rule(request=RequestsOfOneAccount.requests, share=st.floats(0, 1))
    def come_back(self, request: HoldRequest, share: float) -> None:
        """A gateway that was stopped: swept and posted in the meantime, it settles what it served."""
        self.checkpoint(request, prompt=1, completion=1)
        self.sweep(request)
        if self.model.stream:
            self.post(back=0)
        self.settle(request, share)

    @rule(tokens=tokens)
    def deduct(self, tokens: int) -> None:
        """Takes a hold under its own id and is posted; only a mirror pass ends the hold."""
        lowering_id = new_uuid7()
        name = RequestId(str(lowering_id))
        answer = self.world.run(lower(self.world.redis, ACCOUNT, lowering_id, tokens))
        assert (answer == Held()) == self.model.lower(name, tokens)
        if answer == Held():
            self.ledger.deduct(name, tokens)
            self.charges[name] = tokens

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
    def the_ledger_always_finds_what_was_lowered(self) -> None:
        assert self.ledger.paid >= 0

    @invariant()
    def nothing_is_below_zero(self) -> None:
        if not self.model.trial_ended:
            assert self.model.free + self.model.counted_twice >= -self.came_too_late

    def teardown(self) -> None:
        """When all is posted and one pass has come through, Redis says what the ledger says."""
        if hasattr(self, "model"):
            for entry in self.model.stream:
                self._post(*entry)
            open_ids = set(self.world.run(open_ids_of(self.world.redis)))
            self._write(open_ids, self.ledger.snapshot())
            self.redis_is_as_the_model()
            assert self.model.journal == {}
            trial = 0 if self.model.trial_ended else self.ledger.trial
            assert self.model.spendable == self.ledger.paid + trial

    def _begin_pass(self) -> Pass:
        return Pass(set(self.world.run(open_ids_of(self.world.redis))))

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
        assert (written == IsOpen()) == self.model.write(snapshot, open_ids)
