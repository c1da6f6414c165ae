"""A run that is told to end leaves no disk mounted and no folder behind."""

import signal
import subprocess
import sys
from pathlib import Path

from deploy.local.settings import ROOT

RUN = """
import asyncio, sys
from tests.chaos.__main__ import ends_orderly_when_terminated
from tests.chaos.small_disk import small_disk

async def run():
    ends_orderly_when_terminated()
    with small_disk() as disk:
        print(disk, flush=True)
        await asyncio.Event().wait()

asyncio.run(run())
"""


def test_a_run_that_is_terminated_unmounts_its_disk() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        disk = run.stdout.readline().strip()
        run.send_signal(signal.SIGTERM)
        _, said = run.communicate()
    assert "CancelledError" in said
    assert disk == "None" or not Path(disk).exists()
    assert disk not in Path("/proc/mounts").read_text()
