"""An operator's change of the paid balance, and why one is refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from services.metering.domain.entries import Entry, EntryKind
from services.metering.domain.grants import Grant, take_paid
from shared.errors import Kind, PromptlyError
from shared.ids import AccountId


class InsufficientBalance(PromptlyError):
    """A deduction of more than the paid balance, as far as nobody is using it, has."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "insufficient_balance"

    def __init__(self, available: int) -> None:
        super().__init__(f"Only {available} paid tokens are available: deduct at most that.", param="delta")
        self.available = available


class IdTaken(PromptlyError):
    """The same id was used for something else."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "id_taken"

    def __init__(self, param: str) -> None:
        super().__init__("This id was used before, for another change: give a new one.", param=param)


class EndsInThePast(PromptlyError):
    """A grant that has ended before it is given."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "ends_in_the_past"

    def __init__(self) -> None:
        super().__init__("The grant would have ended already: give a later end.", param="expires_at")


class NothingToChange(PromptlyError):
    """An adjustment by nothing."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "nothing_to_change"

    def __init__(self) -> None:
        super().__init__("An adjustment adds or takes tokens: give a delta that is not 0.", param="delta")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`delta` is signed, not 0."""

    adjustment_id: UUID
    account_id: AccountId
    delta: int
    reason: str


def deduct(adjustment: Adjustment, grants: Iterable[Grant]) -> list[Entry]:
    """From the paid tokens, in burn order. Raises InsufficientBalance; its hold makes sure that it does not."""
    taken = take_paid(grants, -adjustment.delta)
    if sum(taken.values()) < -adjustment.delta:
        raise InsufficientBalance(sum(taken.values()))
    return [
        Entry(EntryKind.ADJUSTMENT, grant_id, -tokens, reason=adjustment.reason)
        for grant_id, tokens in taken.items()
    ]
