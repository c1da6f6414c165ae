"""Where a span belongs, as W3C trace context writes it (https://www.w3.org/TR/trace-context/#traceparent-header).

A request's trace has the request's id, and its first span the id's last 16 digits: whoever knows a request id,
however late and in whichever service, knows where a span about that request belongs, and nothing has to be carried
through Redis, tables or batches for it.
"""

import re
from dataclasses import dataclass

_WRITTEN = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Traceparent:
    trace_id: int
    span_id: int

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def parse(text: str | None) -> Traceparent | None:
    """None when it is none, or of a version to come."""
    written = _WRITTEN.fullmatch(text) if text else None
    return Traceparent(int(written[1], 16), int(written[2], 16)) if written else None


def of_request(request_id: str | None) -> Traceparent | None:
    """The first span of that request. None when this is no request's id."""
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        return None
    trace_id = int(request_id.replace("-", ""), 16)
    span_id = trace_id & (1 << 64) - 1
    return Traceparent(trace_id, span_id) if span_id else None
