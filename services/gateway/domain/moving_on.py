"""May a request that failed at one upstream be tried at another? Only while nothing of an answer has come.

Nothing was delivered then, so nothing is charged, whatever that upstream had begun to compute. A client's own
mistake is one everywhere, and who has waited out the whole timeout does not wait again.
"""

from collections.abc import Sequence

from services.gateway.domain.errors import UpstreamUnreachable
from shared.errors import Kind, PromptlyError

MOVES_MAX = 1
"""After an upstream that had taken the request: one that kills whatever serves it kills two, not all."""
_ANOTHER_MAY_ANSWER = (Kind.UPSTREAM, Kind.UNAVAILABLE)


def may_move_on(failures: Sequence[PromptlyError]) -> bool:
    """`failures`: those of this request so far, one for each upstream it was tried at. An upstream that could
    not even be reached costs nothing, and does not count."""
    taken = [failure for failure in failures if not isinstance(failure, UpstreamUnreachable)]
    return failures[-1].kind in _ANOTHER_MAY_ANSWER and len(taken) <= MOVES_MAX
