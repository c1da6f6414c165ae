"""What this process has settled, kept until the ledger is known to have it.

A Redis that was lost (emptied, restarted), or did not answer at the time, is told again. Settling twice changes
nothing, and the ledger counts a request once.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from itertools import islice

import structlog
from redis.asyncio import Redis

from services.gateway.use_cases.outage import REDIS_ERRORS
from shared.admission.confirmations import confirmed_by_the_ledger
from shared.admission.desk import AdmissionDesk
from shared.admission.entries import read_record, written_of
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, RequestId

RECORDS_MAX = 20_000
"""About 15 MB. So many wait only while metering stands still, and then the broker has the oldest."""
BATCH_RECORDS_MAX = 200
"""Of one round trip: Redis answers nobody else meanwhile, so it stays below about 10 ms."""
INTERVAL_SECONDS = 0.25
CONFIRM_INTERVAL_SECONDS = 5.0
CONFIRM_INTERVAL_SECONDS_MAX = 60.0
"""While nothing at all is confirmed metering stands still: thousands of records need not be asked for so often."""
ASKED_AT_ONCE_MAX = 16
BREATH_SECONDS = 0.005
"""Between such questions: each may be as many scripts as accounts, and requests wait behind them."""
IN_VAIN_MAX = 8
"""Questions in a row of which nothing was confirmed. The ledger posts in order, so those behind are not there either;
the next round begins with them, for the case that they are."""

Kept = tuple[AccountId, bytes]
"""Whose, and the record as JSON: of plain texts the garbage collector takes no notice, while thousands of records as
objects keep all requests waiting each time it looks at them."""
log = structlog.get_logger()


class Unconfirmed:
    """The oldest are forgotten beyond a bound: they can be lost only together with Redis."""

    def __init__(self, redis: Redis, desk: AdmissionDesk) -> None:
        self._redis = redis
        self._desk = desk
        self._kept: OrderedDict[RequestId, Kept] = OrderedDict()
        self._to_settle: dict[RequestId, Kept] = {}
        self._dropped = 0
        self._passed_over = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def waiting_count(self) -> int:
        """What Redis has not been told, or must be told again."""
        return len(self._to_settle)

    def keep(self, record: UsageRecord) -> bytes:
        """Before it is settled for the first time: Redis may be lost in the same moment. Returns it as it is written."""
        written = written_of(record)
        self._kept[_id_of(record)] = (AccountId(record.account_id), written)
        while len(self._kept) > RECORDS_MAX:
            request_id, _ = self._kept.popitem(last=False)
            self._to_settle.pop(request_id, None)
            self._dropped += 1
        return written

    def settle_again(self, record: UsageRecord) -> None:
        """Redis did not take it."""
        self._to_settle[_id_of(record)] = (AccountId(record.account_id), written_of(record))

    def settle_all_again(self) -> None:
        """Redis may have lost whatever it took."""
        self._to_settle = dict(self._kept)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.settle_waiting()
            except REDIS_ERRORS as error:
                self._tell(error)

    async def run_confirmations(self) -> None:
        pause_seconds = CONFIRM_INTERVAL_SECONDS
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                moves = await self.forget_confirmed() or not self._kept
                pause_seconds = CONFIRM_INTERVAL_SECONDS if moves else _longer(pause_seconds)
            except REDIS_ERRORS as error:
                self._tell(error)

    async def settle_waiting(self) -> None:
        """Raises redis errors; what was not settled then waits on."""
        settled = 0
        while waiting := self._to_settle:
            batch = dict(islice(waiting.items(), BATCH_RECORDS_MAX))
            await self._desk.settle_again([read_record(written) for _, written in batch.values()])
            for request_id in batch:  # not from what waits since another loss, which came before the answer
                waiting.pop(request_id, None)
            settled += len(batch)
        if settled:
            log.warning("settled_again", count=settled)

    async def forget_confirmed(self) -> int:
        """How many. Raises redis errors."""
        self._tell_dropped()
        forgotten = in_vain = 0
        kept = list(self._kept.items())
        begin = self._passed_over if self._passed_over < len(kept) else 0
        for start in range(begin, len(kept), ASKED_AT_ONCE_MAX):
            if start > begin:
                await asyncio.sleep(BREATH_SECONDS)
            confirmed = await self._forget_confirmed_of(kept[start : start + ASKED_AT_ONCE_MAX])
            forgotten += confirmed
            in_vain = 0 if confirmed else in_vain + 1
            if in_vain == IN_VAIN_MAX:
                self._passed_over = start + ASKED_AT_ONCE_MAX - forgotten
                return forgotten
        self._passed_over = 0
        return forgotten

    async def _forget_confirmed_of(self, some: Iterable[tuple[RequestId, Kept]]) -> int:
        by_account: defaultdict[AccountId, list[RequestId]] = defaultdict(list)
        for request_id, (account_id, _) in some:
            by_account[account_id].append(request_id)
        confirmed = await confirmed_by_the_ledger(self._redis, by_account)
        for request_id in confirmed:
            self._kept.pop(request_id, None)
            self._to_settle.pop(request_id, None)
        return len(confirmed)

    def _tell_dropped(self) -> None:
        if self._dropped:
            log.error("settlements_forgotten_unconfirmed", count=self._dropped)
            self._dropped = 0

    def _tell(self, error: Exception) -> None:
        log.warning("settlements_unconfirmed", count=len(self._kept), reason=type(error).__name__)


def _longer(pause_seconds: float) -> float:
    return min(2 * pause_seconds, CONFIRM_INTERVAL_SECONDS_MAX)


def _id_of(record: UsageRecord) -> RequestId:
    return RequestId(str(record.request_id))
