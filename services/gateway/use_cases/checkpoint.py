"""Tells Redis every 250 ms that the open requests live, and how far they are, in one batch."""

import asyncio

import structlog

from services.gateway.use_cases.open_request import OpenRequests
from services.gateway.use_cases.outage import REDIS_ERRORS
from shared.admission.desk import AdmissionDesk

INTERVAL_SECONDS = 0.25

log = structlog.get_logger()


class CheckpointLoop:
    def __init__(self, desk: AdmissionDesk, open_requests: OpenRequests) -> None:
        self._desk = desk
        self._open_requests = open_requests

    async def run(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self._checkpoint()
            except REDIS_ERRORS as error:
                log.warning("checkpoint_failed", reason=type(error).__name__)

    async def _checkpoint(self) -> None:
        """A request whose hold is gone was swept while this process stood still: it ends, and corrects."""
        swept = await self._desk.checkpoint(self._open_requests.checkpoints())
        for request in self._open_requests.find_all(swept):
            if not request.has_ended and not request.was_cut:
                log.warning("cut_after_sweep", request_id=request.request_id)
                request.cut()
