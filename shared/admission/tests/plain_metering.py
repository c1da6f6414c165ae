"""Metering in plain Python: the ledger, the queue before it, and mirror passes to the real Redis.

Each of its duties can be left out by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from redis.asyncio import Redis

from shared.admission.mirror import (
    Absent,
    Closed,
    IsOpen,
    KeepDraining,
    OpenDrained,
    Opening,
    OpenNew,
    Pass,
    Snapshot,
    begin_pass,
    write_mirror,
)
from shared.admission.sequences import count_untold, read_sequences
from shared.admission.tests.building import ACCOUNT, FAR_FUTURE_MS, LONG_AGO_MS
from shared.admission.tests.fleet import Batch
from shared.admission.tests.plain_model import Ledger, LedgerSnapshot
from shared.ids import RequestId

Number = tuple[str, int]


@dataclass
class PassOnItsWay:
    """Begun; then perhaps the ledger is read; then written, any number of times."""

    begun: Pass
    is_new: bool
    drain: Mapping[str, int] | None
    ledger: LedgerSnapshot | None = None
    posted_batches: frozenset[Number] = frozenset()


@dataclass
class PlainMetering:
    redis: Redis
    ledger: Ledger
    duties: frozenset[str]
    published: list[Batch] = field(default_factory=list)
    posted_batches: set[Number] = field(default_factory=set)
    announced: dict[str, int] = field(default_factory=dict)
    before_the_end: set[RequestId] = field(default_factory=set)
    trial_ended: bool = False
    redis_had_it: bool = False

    def post(self, batch: Batch) -> None:
        for record in batch.records:
            request_id = RequestId(str(record.request_id))
            if "dedup" not in self.duties:
                self.ledger.posted.pop(request_id, None)
            may_burn_trial = not self.trial_ended or request_id in self.before_the_end
            self.ledger.post(request_id, record.revision, record.tokens, may_burn_trial=may_burn_trial)
            self.ledger.version += 1
        self.posted_batches.add((batch.gateway, batch.sequence))

    async def follow(self) -> None:
        for gateway, sequence in (await read_sequences(self.redis)).items():
            self.announced[gateway] = max(self.announced.get(gateway, 0), sequence)

    async def begin(self) -> PassOnItsWay:
        begun = await begin_pass(self.redis, ACCOUNT)
        is_new = isinstance(begun.account, Absent) and not self.redis_had_it
        self.redis_had_it = True
        drain = None
        if isinstance(begun.account, Closed) and begun.account.opens_in_ms == 0 and await self._is_told():
            drain = begun.account.drain
            if drain is None:
                drain = await read_sequences(self.redis)
                if "remember what was announced" in self.duties:
                    await self.follow()
                    drain = dict(self.announced)
        return PassOnItsWay(begun, is_new, drain)

    async def _is_told(self) -> bool:
        return "wait for who is still telling" not in self.duties or not await count_untold(self.redis)

    def read_ledger(self, this: PassOnItsWay) -> None:
        if this.ledger is None:
            this.ledger = self.ledger.snapshot()
            this.posted_batches = frozenset(self.posted_batches)

    async def write(self, this: PassOnItsWay) -> bool:
        """True when the account is open afterwards."""
        self.read_ledger(this)
        assert this.ledger is not None
        known = this.ledger.posted if "one snapshot" in self.duties else self.ledger.posted
        revisions = {name: known[name].revision for name in this.begun.request_ids if name in known}
        ends_at_ms = LONG_AGO_MS if self.trial_ended else FAR_FUTURE_MS
        said = Snapshot(this.ledger.version, this.ledger.paid, [("trial", this.ledger.trial, ends_at_ms)])
        written = await write_mirror(self.redis, ACCOUNT, said, revisions, opening=self._opening(this))
        this.is_new = False  # nobody sends a first opening twice; it counts for a moment only
        return written == IsOpen()

    def _opening(self, this: PassOnItsWay) -> Opening | None:
        match this.begun.account:
            case Absent() as absent if this.is_new:
                return OpenNew(absent)
            case Closed() as closed if this.drain is not None:
                is_drained = "drain before opening" not in self.duties or self._has_posted(this)
                return OpenDrained(closed) if is_drained else KeepDraining(closed, this.drain)
            case _:
                return None

    def _has_posted(self, this: PassOnItsWay) -> bool:
        return all(
            (gateway, number) in this.posted_batches
            for gateway, last in (this.drain or {}).items()
            for number in range(1, last + 1)
        )
