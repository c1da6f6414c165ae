"""The admission protocol in plain Python, for one account: what Redis must hold and what the ledger does.

Slow, sequential and obvious. The scripts must agree with it after every step.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.admission.decisions import CallKind, PromptCount, Refusal
from shared.ids import RequestId

ACCOUNT_CONCURRENCY = 3


@dataclass
class ModelHold:
    tokens: int
    kind: CallKind
    prompt: int = 0
    completion: int = 0
    is_lowering: bool = False

    def lost_tokens(self) -> int:
        return min(self.prompt + self.completion, self.tokens) if self.kind is CallKind.STREAM else 0


@dataclass(frozen=True)
class Posted:
    revision: int
    tokens: int
    from_trial: int


@dataclass(frozen=True)
class LedgerSnapshot:
    version: int
    paid: int
    trial: int
    posted: dict[RequestId, Posted]


@dataclass
class Ledger:
    """Posts each request once per revision, a higher one as the difference; burns the trial first."""

    paid: int
    trial: int
    version: int = 1
    trial_closed: bool = False
    uncollected: int = 0
    posted: dict[RequestId, Posted] = field(default_factory=dict)

    def post(self, request_id: RequestId, revision: int, tokens: int, *, may_burn_trial: bool) -> None:
        before = self.posted.get(request_id, Posted(0, 0, 0))
        if before.revision >= revision:
            return
        self.version += 1
        difference = tokens - before.tokens
        if difference >= 0:
            from_trial = min(difference, self.trial) if may_burn_trial else 0
            from_paid = min(difference - from_trial, self.paid)
            self.uncollected += difference - from_trial - from_paid
            self.paid -= from_paid
        else:
            from_trial = -min(-difference, before.from_trial)
            self.paid += -difference + from_trial
        self.trial -= 0 if self.trial_closed and from_trial < 0 else from_trial
        self.posted[request_id] = Posted(revision, tokens, before.from_trial + from_trial)

    def credit(self, tokens: int) -> None:
        self.version += 1
        self.paid += tokens

    def deduct(self, lowering_id: RequestId, tokens: int) -> None:
        self.version += 1
        self.paid -= tokens
        self.posted[lowering_id] = Posted(1, tokens, 0)

    def close_trial(self) -> None:
        self.version += 1
        self.trial, self.trial_closed = 0, True

    def snapshot(self) -> LedgerSnapshot:
        return LedgerSnapshot(self.version, self.paid, self.trial, dict(self.posted))


@dataclass
class Desk:
    """What Redis must hold, and what the desk must answer."""

    mirrored: LedgerSnapshot
    trial_ended: bool = False
    holds: dict[RequestId, ModelHold] = field(default_factory=dict)
    journal: dict[RequestId, tuple[int, int]] = field(default_factory=dict)
    done: dict[RequestId, int] = field(default_factory=dict)
    stream: list[tuple[RequestId, int, int]] = field(default_factory=list)

    @property
    def held(self) -> int:
        return sum(hold.tokens for hold in self.holds.values())

    @property
    def journalled(self) -> int:
        return sum(tokens for _, tokens in self.journal.values())

    @property
    def spendable(self) -> int:
        trial = 0 if self.trial_ended else self.mirrored.trial
        return self.mirrored.paid + trial - self.journalled

    @property
    def free(self) -> int:
        return self.spendable - self.held

    @property
    def counted_twice(self) -> int:
        """In `posted` and still open: a pass that began before them brought the balance. A later one heals it."""
        return sum(
            self.mirrored.posted[request_id].tokens
            for request_id in {*self.holds, *self.journal}
            if request_id in self.mirrored.posted
        )

    def decide(
        self, request_id: RequestId, prompt: int, prompt_count: PromptCount, completion: int
    ) -> int | str:
        """Tokens to hold, or the word for why not."""
        if request_id in self.done:
            return Refusal.ENDED
        if request_id in self.holds:
            return self.holds[request_id].tokens
        if sum(not hold.is_lowering for hold in self.holds.values()) >= ACCOUNT_CONCURRENCY:
            return Refusal.KEY_CONCURRENCY
        want = prompt + completion
        if want <= self.free:
            return want
        least = 1 if completion else 0
        if self.spendable < 1 + least:
            return Refusal.BALANCE_EXHAUSTED
        if want > self.spendable and prompt_count is PromptCount.BOUND:
            return "count_needed"
        if self.spendable < prompt + least:
            return Refusal.BALANCE_EXHAUSTED
        wanted = min(want, self.spendable)
        return wanted if wanted <= self.free else Refusal.BALANCE_HELD

    def lower(self, lowering_id: RequestId, tokens: int) -> bool:
        """Of what never ends, and nobody uses."""
        trial = 0 if self.trial_ended else self.mirrored.trial
        lowered = sum(hold.tokens for hold in self.holds.values() if hold.is_lowering)
        running = self.held + self.journalled - lowered
        if tokens > self.mirrored.paid - lowered - max(running - trial, 0):
            return False
        self.holds[lowering_id] = ModelHold(tokens, CallKind.WHOLE, is_lowering=True)
        return True

    def settle(self, request_id: RequestId, revision: int, tokens: int) -> bool:
        if self.done.get(request_id, 0) >= revision:
            return False
        self.holds.pop(request_id, None)
        self.journal[request_id] = (revision, tokens)
        self.done[request_id] = revision
        self.stream.append((request_id, revision, tokens))
        return True

    def release(self, request_id: RequestId) -> None:
        self.holds.pop(request_id, None)
        self.done.setdefault(request_id, 0)

    def write(self, snapshot: LedgerSnapshot, open_ids: Iterable[RequestId]) -> bool:
        if snapshot.version < self.mirrored.version:
            return False
        self.mirrored = snapshot
        for request_id in open_ids:
            if request_id not in snapshot.posted:
                continue
            self.holds.pop(request_id, None)
            if snapshot.posted[request_id].revision >= self.journal.get(request_id, (0, 0))[0]:
                self.journal.pop(request_id, None)
        return True
