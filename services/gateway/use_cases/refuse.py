"""Turns an upstream answer other than 200 into the error that the client gets."""

import structlog

from services.gateway.domain.errors import UpstreamRefusesUs
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.upstream_refusals import refusal_of
from services.gateway.use_cases.measure import UPSTREAM_REFUSES_US
from services.gateway.use_cases.open_request import OpenRequest
from services.gateway.use_cases.upstream import UpstreamReply
from shared.errors import PromptlyError

log = structlog.get_logger()


async def raise_unless_ok(request: OpenRequest, call: UpstreamCall, reply: UpstreamReply) -> None:
    if reply.status == 200:
        return
    request.stop_generating()
    raise refusal_told(reply.status, await reply.read(), call)


def refusal_told(status: int, body: bytes, call: UpstreamCall) -> PromptlyError:
    """What is wrong with us is told to the operator as well."""
    refusal = refusal_of(status, body, call)
    if isinstance(refusal, UpstreamRefusesUs):
        UPSTREAM_REFUSES_US.inc()
        log.error("upstream_refuses_us", status=status)
    return refusal
