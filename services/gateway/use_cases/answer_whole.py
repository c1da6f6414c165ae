"""Answers in one piece. It is settled before its first byte leaves, and runs to its end without its client."""

import asyncio

from services.gateway.domain.charge import Ending
from services.gateway.domain.generation import WholeAnswer
from services.gateway.domain.refusals import key_revoked
from services.gateway.use_cases.lease import Lease
from services.gateway.use_cases.open_request import OpenRequest
from services.gateway.use_cases.outage import out_of_service
from services.gateway.use_cases.refuse import raise_unless_ok
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.slots import UpstreamSlots
from services.gateway.use_cases.upstream import Upstream


class WholeAnswers:
    def __init__(
        self, upstream: Upstream, slots: UpstreamSlots, settlements: Settlements, lease: Lease
    ) -> None:
        self._upstream = upstream
        self._slots = slots
        self._lease = lease
        self._settlements = settlements

    async def answer(self, request: OpenRequest) -> WholeAnswer:
        """Cancel it only while it waits: an answer that is being made is paid for.

        Raises KeyRefused when the key was revoked meanwhile; what was made is charged all the same. Overloaded
        when the hold was swept meanwhile: the answer is thrown away, and costs nothing."""
        call = request.upstream_call()
        try:
            request.stopwatch.not_ours()
            async with (
                self._slots.slot(request.hold.account_id),
                self._upstream.open_answer(call, request) as reply,
            ):
                request.stopwatch.ours()
                await raise_unless_ok(request, call, reply)
                answer = request.read_whole(await reply.read())
            await self._lease.until_fresh()
        except BaseException as ended:  # cancelled as well; nothing was delivered
            self._settlements.end(request, Ending.NOT_ANSWERED)
            if request.was_cut and isinstance(ended, asyncio.CancelledError):
                raise key_revoked() if request.was_revoked else out_of_service("hold_swept") from None
            raise
        request.whole = answer
        ending = Ending.REVOKED if request.was_revoked else Ending.COMPLETED
        await asyncio.shield(self._settlements.end(request, ending))
        if ending is Ending.REVOKED:
            raise key_revoked()
        return answer
