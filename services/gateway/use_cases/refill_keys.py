"""Has the keys of running requests refilled that Redis has lost: one of them may be revoked by now."""

import structlog

from services.gateway.adapters.refills_http import HttpRefills
from services.gateway.use_cases.open_request import OpenRequests
from services.gateway.use_cases.tasks import Tasks
from shared.errors import Unavailable
from shared.ids import KeyDigest

AT_ONCE_MAX = 16
"""Half of the connections to accounts; who finds no place asks again at the next checkpoint."""

log = structlog.get_logger()


class KeyRefills:
    def __init__(self, refills: HttpRefills, open_requests: OpenRequests, tasks: Tasks) -> None:
        self._refills = refills
        self._open_requests = open_requests
        self._tasks = tasks
        self._asked: set[KeyDigest] = set()

    def ask(self, digest: KeyDigest) -> None:
        """In the background, once at a time for each key."""
        if digest in self._asked or len(self._asked) >= AT_ONCE_MAX:
            return
        self._asked.add(digest)
        self._tasks.start(self._refill(digest))

    async def _refill(self, digest: KeyDigest) -> None:
        """A key that nobody knows (any more) is as good as revoked."""
        try:
            if not await self._refills.refill_key(digest):
                for request in self._open_requests.find_by_key(digest):
                    request.revoke()
        except Unavailable:
            log.warning("key_not_refilled")
        finally:
            self._asked.discard(digest)
