"""rabbitmqctl against the system's own broker: by its node name, its port mapper and its cookie."""

import asyncio
import os
from pathlib import Path

from deploy.local.programs import get_rabbitmq
from tests.chaos.system import Chaos


async def rabbitmqctl(chaos: Chaos, *arguments: str) -> str:
    """Raises AssertionError with what it said."""
    [broker] = [each for each in chaos.system.backing_servers() if each.name == "rabbitmq"]
    program = Path(get_rabbitmq()).with_name("rabbitmqctl")
    process = await asyncio.create_subprocess_exec(
        str(program),
        *arguments,
        env={**os.environ, **broker.environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()
