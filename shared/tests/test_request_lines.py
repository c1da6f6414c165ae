"""The request log's lines say what a line of structlog would, and come some at a time."""

import io
import json

from shared.request_lines import LINES_MAX, RequestLines

FIELDS = ("019a3f6e-7b1a-7c3d-8e2f-0123456789ab", "POST", '/v1/"\n', 200, None, 1.25)


async def test_a_line_is_json_with_every_field() -> None:
    out = io.StringIO()
    lines = RequestLines("gateway", out)
    lines.add(*FIELDS)
    lines.flush()
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "method": "POST",
        "path": '/v1/"\n',
        "status": 200,
        "account_id": None,
        "duration_ms": 1.25,
        "event": "request",
        "level": "info",
        "service": "gateway",
        "request_id": FIELDS[0],
    }


async def test_lines_come_together_and_none_twice() -> None:
    out = io.StringIO()
    lines = RequestLines("gateway", out)
    for _ in range(LINES_MAX - 1):
        lines.add(*FIELDS)
    assert out.getvalue() == ""
    lines.add(*FIELDS)
    lines.flush()
    assert len(out.getvalue().splitlines()) == LINES_MAX
