"""Tells Redis every 250 ms that the open requests live, and how far they are, in one batch, and what was
published last. Hears which of them must end, and whether Redis was lost: then also how much of what was settled
it has yet to be told again, so that no account opens before.
"""

import asyncio
import time

import structlog
from redis.asyncio import Redis

from services.gateway.use_cases import measure
from services.gateway.use_cases.lease import Lease
from services.gateway.use_cases.open_request import OpenRequests
from services.gateway.use_cases.outage import REDIS_ERRORS
from services.gateway.use_cases.publish_usage import UsageBus
from services.gateway.use_cases.refill_keys import KeyRefills
from services.gateway.use_cases.unconfirmed import Unconfirmed
from shared.admission.decisions import CheckpointReply
from shared.admission.desk import AdmissionDesk
from shared.admission.epoch import Epoch, read_epoch
from shared.admission.sequences import write_sequence

INTERVAL_SECONDS = 0.25

log = structlog.get_logger()


class CheckpointLoop:
    def __init__(
        self,
        redis: Redis,
        open_requests: OpenRequests,
        unconfirmed: Unconfirmed,
        key_refills: KeyRefills,
        bus: UsageBus,
        lease: Lease,
    ) -> None:
        self._redis = redis
        self._desk = AdmissionDesk(redis)
        self._open_requests = open_requests
        self._unconfirmed = unconfirmed
        self._key_refills = key_refills
        self._bus = bus
        self._lease = lease
        self._epoch: Epoch | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            asked_at = time.monotonic()
            try:
                await self._tick()
            except REDIS_ERRORS as error:
                measure.REDIS_ERRORS.labels("checkpoint").inc()
                log.warning("checkpoint_failed", reason=type(error).__name__)
            self._lease.renew(asked_at)

    async def _tick(self) -> None:
        self._act_on(await self._desk.checkpoint(self._open_requests.checkpoints()))
        self._compare(await read_epoch(self._redis))
        await write_sequence(
            self._redis,
            self._bus.gateway,
            self._bus.sequence_confirmed,
            untold=self._unconfirmed.waiting_count,
        )

    def _act_on(self, reply: CheckpointReply) -> None:
        for request in self._open_requests.find_all(reply.revoked):
            if not request.has_ended and not request.was_revoked:
                log.info("ended_by_revocation", request_id=request.request_id)
                request.revoke()
        for request in self._open_requests.find_all(reply.swept):  # this process stood still meanwhile
            if not request.has_ended and not request.was_cut:
                log.warning("cut_after_sweep", request_id=request.request_id)
                request.cut()
        for request in self._open_requests.find_all(reply.key_missing):
            self._key_refills.ask(request.digest)

    def _compare(self, epoch: Epoch) -> None:
        """The open requests have brought back their holds already: so does what was settled."""
        if epoch == self._epoch:
            return
        if self._epoch is not None:
            measure.REDIS_LOST.inc()
            log.warning("redis_was_lost", epoch=epoch.marker)
        self._epoch = epoch
        self._unconfirmed.settle_all_again()
