"""What a failure at one upstream means: may its request be tried at another, and is the upstream down?

A request moves on only while nothing of an answer has come.

Nothing was delivered then, so nothing is charged, whatever that upstream had begun to compute. A client's own
mistake is one everywhere, and who has waited out the whole timeout does not wait again.
"""

from collections.abc import Sequence

from services.gateway.domain.errors import ModelLoading, Overloaded, UpstreamUnreachable
from shared.errors import Kind, PromptlyError

MOVES_MAX = 1
"""After an upstream that had taken the request: one that kills whatever serves it kills two, not all."""
FAILURES_MAX = 3
"""In a row, without an answer between them. One may be the request's own doing, or bad luck."""
_ANOTHER_MAY_ANSWER = (Kind.UPSTREAM, Kind.UNAVAILABLE)


def may_move_on(failures: Sequence[PromptlyError]) -> bool:
    """`failures`: those of this request so far, one for each upstream it was tried at. An upstream that could
    not even be reached costs nothing, and does not count."""
    taken = [failure for failure in failures if not isinstance(failure, UpstreamUnreachable)]
    return failures[-1].kind in _ANOTHER_MAY_ANSWER and len(taken) <= MOVES_MAX


def shows_down(failure: PromptlyError, failures: int) -> bool:
    """`failures`: of this upstream in a row, this one included. Who cannot be connected to is down, and who says
    that its model is not loaded; one that is only full is not."""
    match failure:
        case UpstreamUnreachable() | ModelLoading():
            return True
        case Overloaded():
            return False
        case _:
            return failures >= FAILURES_MAX
