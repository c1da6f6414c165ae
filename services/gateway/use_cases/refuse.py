"""Turns an upstream answer other than 200 into the error that the client gets."""

import structlog

from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.upstream_refusals import is_our_fault, refusal_of
from services.gateway.use_cases.open_request import OpenRequest
from services.gateway.use_cases.upstream import UpstreamReply

log = structlog.get_logger()


async def raise_unless_ok(request: OpenRequest, call: UpstreamCall, reply: UpstreamReply) -> None:
    if reply.status == 200:
        return
    request.stop_generating()
    if is_our_fault(reply.status):
        log.error("upstream_refuses_us", status=reply.status)
    raise refusal_of(reply.status, await reply.read(), call.prompt_field)
