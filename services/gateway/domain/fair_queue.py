"""Who is next at the upstream: a bounded queue, fair between accounts, first come first served within one.

Pure: it keeps tickets and says what happens; waiting is the caller's business. Each round serves every
waiting account once, so one with a hundred requests delays another by one request, not by a hundred.
"""

from collections import OrderedDict, deque
from collections.abc import Hashable
from enum import Enum
from typing import Generic, TypeVar

Ticket = TypeVar("Ticket", bound=Hashable)


class Place(Enum):
    AT_ONCE = "at_once"
    IN_QUEUE = "in_queue"
    NONE_LEFT = "none_left"


class FairQueue(Generic[Ticket]):
    """`slots` run at once, `length_max` wait."""

    def __init__(self, *, slots: int, length_max: int) -> None:
        self._slots = slots
        self._free = slots
        self._length_max = length_max
        self._waiting: OrderedDict[str, deque[Ticket]] = OrderedDict()
        self.length = 0

    def enter(self, account: str, ticket: Ticket) -> Place:
        if self._free > 0:  # then nobody waits
            self._free -= 1
            return Place.AT_ONCE
        if self.length >= self._length_max:
            return Place.NONE_LEFT
        self._waiting.setdefault(account, deque()).append(ticket)
        self.length += 1
        return Place.IN_QUEUE

    def leave(self) -> Ticket | None:
        """A slot becomes free: the ticket that takes it over, or None."""
        self._free += 1
        return self._next()

    def resize(self, slots: int) -> list[Ticket]:
        """The tickets that now have a slot. Those that run stay, also when they are too many."""
        self._free += slots - self._slots
        self._slots = slots
        tickets = []
        while (ticket := self._next()) is not None:
            tickets.append(ticket)
        return tickets

    @property
    def running(self) -> int:
        return self._slots - self._free

    def _next(self) -> Ticket | None:
        if self._free <= 0 or not self.length:
            return None
        self._free -= 1
        account, tickets = self._waiting.popitem(last=False)
        ticket = tickets.popleft()
        self.length -= 1
        if tickets:
            self._waiting[account] = tickets
        return ticket

    def withdraw(self, account: str, ticket: Ticket) -> bool:
        """Stop waiting. False when the ticket does not wait (any more): it has its slot."""
        tickets = self._waiting.get(account)
        if tickets is None or ticket not in tickets:
            return False
        tickets.remove(ticket)
        self.length -= 1
        if not tickets:
            del self._waiting[account]
        return True
