"""One JSON object a line, with the service and the request; a traceback shows no local variables."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from shared.logging import bind_ids, configure
configure("test")
bind_ids("r-1", None)
log = structlog.get_logger()
log.info("usage_posted", tokens=3)
log.debug("hidden")
logging.getLogger("some.library").warning("of a library")
logging.getLogger("aiormq.channel").error("Unhandled message with its body")
key = "sk-" + "secret"
try:
    raise RuntimeError("a defect")
except RuntimeError as error:
    log.error("crashed", exc_info=error)
"""


def test_logs_are_json_lines_without_local_variables() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert [line["event"] for line in lines] == ["usage_posted", "of a library", "crashed"]
    assert {line["service"] for line in lines} == {"test"}
    assert {line["request_id"] for line in lines} == {"r-1"}
    assert "RuntimeError: a defect" in lines[2]["exception"]
    assert "sk-secret" not in run.stdout
