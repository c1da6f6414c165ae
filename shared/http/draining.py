"""How a process leaves: it says so first, then takes nobody new, then lets who is there finish.

Who asks `/ready` in between hears no, and who holds a connection is told to close it with its next answer: a proxy
then opens none that is just being closed.
"""

import asyncio
import socket

import uvicorn

from shared.http.waiting_room import WaitingRoom

LEAVE_SECONDS = 0.4
"""Between saying so and closing the door: a few requests on each kept connection."""


class DrainingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, room: WaitingRoom) -> None:
        super().__init__(config)
        self._room = room

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._room.leave()
        await asyncio.sleep(LEAVE_SECONDS)
        await super().shutdown(sockets)
        # uvicorn would now send itself the signal it was stopped by, and die of it: without the last lines of the
        # request log, and without the last spans.
        self._captured_signals.clear()
