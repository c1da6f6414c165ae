"""Gateways as the protocol wants them, in plain Python at the real desk. Each duty can be left out by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from shared.admission.confirmations import confirmed_by_the_ledger
from shared.admission.decisions import Admitted, CallKind, Checkpoint, HoldRequest, Missing, Unknown
from shared.admission.desk import AdmissionDesk
from shared.admission.epoch import Epoch, read_epoch
from shared.admission.key_records import put_key
from shared.admission.sequences import write_sequence
from shared.admission.stream import SettlementStream
from shared.admission.tests.building import ACCOUNT, checkpoint_for, key_record, record_for
from shared.contracts.gateway import UsageRecord
from shared.ids import RequestId

PLENTY = 10_000


@dataclass(eq=False)
class Served:
    """One request as its client and its gateway know it. `in_redis`: what of it this life of Redis would charge
    without its gateway. `floor`: what the protocol still owes to have accounted for, when a published bound
    excuses the rest; None while nothing is excused. `told_at`: what was delivered when its gateway heard
    of it, or stood still."""

    asked: HoldRequest
    held: int
    delivered: int = 0
    in_redis: int = 0
    floor: int | None = None
    told_at: int | None = None
    has_ended: bool = False
    last_sent: Checkpoint | None = None

    @property
    def id(self) -> RequestId:
        return self.asked.request_id

    @property
    def excused(self) -> int:
        until_told = self.delivered if self.told_at is None else self.told_at
        return 0 if self.floor is None else max(until_told - self.floor, 0)

    def excuse_above(self, floor: int) -> None:
        self.floor = floor if self.floor is None else min(self.floor, floor)

    def is_told(self) -> None:
        """From here on nothing more is excused: its gateway knows, or delivers nothing before it does."""
        self.told_at = self.delivered if self.told_at is None else self.told_at

    def checkpoint(self) -> Checkpoint:
        delivered = self.delivered if self.asked.kind is CallKind.STREAM else 0
        return checkpoint_for(self.id, 0, delivered, tokens_held=self.held, kind=self.asked.kind)

    def record(self) -> UsageRecord:
        return record_for(self.id, 0, self.delivered)


@dataclass(frozen=True)
class Batch:
    gateway: str
    sequence: int
    records: tuple[UsageRecord, ...]


@dataclass(eq=False)
class Gateway:
    """`kept`: settled, and not known to be in the ledger. `unsettled`: Redis did not answer. `untold`: kept, and to
    be told again after a loss; `is_slow`: one with each tick. `is_fresh`: it has told this life of Redis what it
    holds, and how much is untold. `missed_the_wait`: it stood still while every other did. `stood_still`: and has
    not heard since what became of its holds."""

    name: str
    redis: Redis
    duties: frozenset[str]
    running: dict[RequestId, Served] = field(default_factory=dict)
    kept: dict[RequestId, Served] = field(default_factory=dict)
    unsettled: dict[RequestId, Served] = field(default_factory=dict)
    untold: dict[RequestId, Served] = field(default_factory=dict)
    sequence: int = 0
    epoch: Epoch | None = None
    is_alive: bool = True
    is_stopped: bool = False
    is_slow: bool = False
    stood_still: bool = False
    is_fresh: bool = False
    missed_the_wait: bool = False

    def __post_init__(self) -> None:
        self.desk = AdmissionDesk(self.redis)
        self.stream = SettlementStream(self.redis)

    @property
    def works(self) -> bool:
        return self.is_alive and not self.is_stopped

    def looks_after(self, served: Served) -> bool:
        """Its hold is not ended yet, and will be."""
        return served.id in self.running or served.id in self.unsettled

    async def admit(self, request: HoldRequest) -> Served | None:
        """Has the key refilled. An unknown account stays unknown: passes are metering's."""
        decision = await self.desk.admit_again(request)
        if decision == Unknown(Missing.KEY):
            await put_key(self.redis, key_record(limit_per_minute=PLENTY, limit_concurrent=PLENTY))
            decision = await self.desk.admit_again(request)
        return Served(request, decision.tokens_held) if isinstance(decision, Admitted) else None

    async def tick(self) -> list[Served]:
        """The checkpoint loop's round. Answers the requests that were swept."""
        epoch = await read_epoch(self.redis)
        if epoch != self.epoch and "re-assert the journal" in self.duties:
            self.untold = dict(self.kept)
        await write_sequence(self.redis, self.name, self.sequence, untold=len(self.untold))
        swept = await self.checkpoint(list(self.running.values()))
        for served in list(self.unsettled.values()):
            await self.settle(served)
        self.unsettled.clear()
        for served in list(self.untold.values())[: 1 if self.is_slow else None]:
            await self.settle(served)
            del self.untold[served.id]
        await write_sequence(self.redis, self.name, self.sequence, untold=len(self.untold))
        self.epoch, self.is_fresh = epoch, True
        return swept

    async def checkpoint(self, requests: Sequence[Served]) -> list[Served]:
        """Answers those without a hold."""
        sent = [served.checkpoint() for served in requests]
        reply = await self.desk.checkpoint(sent)
        for served, checkpoint in zip(requests, sent, strict=True):
            served.last_sent = checkpoint
            if served.id not in reply.swept:
                served.in_redis = checkpoint.tokens_completion
        return [served for served in requests if served.id in reply.swept]

    async def learn(self, swept: Iterable[Served]) -> None:
        """Ends what lost its hold: a stream's own count corrects what was charged, of a whole call nothing has
        been delivered yet and nothing will be."""
        for served in swept:
            if "cut when swept" in self.duties:
                await self.end(served)

    async def end(self, served: Served) -> None:
        """Charged, and kept until the ledger has it; of nothing delivered, nothing remains."""
        served.has_ended = True
        del self.running[served.id]
        if served.delivered == 0:
            await self.desk.release(ACCOUNT, served.id)
            return
        self.kept[served.id] = served
        await self.settle(served)

    def end_past_redis(self, served: Served) -> Batch:
        """Redis is away: the record goes straight to the bus, and is settled when Redis is back."""
        served.has_ended = True
        del self.running[served.id]
        self.kept[served.id] = self.unsettled[served.id] = served
        return self.publish([served.record()])

    async def settle(self, served: Served) -> None:
        """Any number of times."""
        await self.desk.settle(ACCOUNT, served.record(), tokens_held=served.held)
        served.in_redis = served.delivered

    async def read_stream(self, *, is_confirmed: bool) -> Batch | None:
        """Publishes what is settled, by whomever; without the confirm it stays for somebody else, too."""
        entries = await self.stream.reclaim(self.name, idle_ms=0)
        entries = entries or await self.stream.read_batch(self.name)
        if not entries:
            return None
        if is_confirmed:
            await self.stream.acknowledge(entry.id for entry in entries)
        return self.publish(entry.record for entry in entries)

    def publish(self, records: Iterable[UsageRecord]) -> Batch:
        self.sequence += 1
        return Batch(self.name, self.sequence, tuple(records))

    async def forget_confirmed(self) -> None:
        for request_id in await confirmed_by_the_ledger(self.redis, {ACCOUNT: list(self.kept)}):
            del self.kept[request_id]
            self.untold.pop(request_id, None)
