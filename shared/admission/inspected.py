"""What Redis holds of one account's money, as it stands in one instant: for the audit, which judges it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from shared.admission.holds import Hold
from shared.ids import RequestId

State = Literal["absent", "closed", "open", "unreadable"]


class Journalled(NamedTuple):
    revision: int
    tokens: int


class EndingGrant(NamedTuple):
    tokens: int
    expires_at_ms: int


@dataclass(frozen=True, slots=True)
class Inspected:
    """One account in one instant. `held`, `journalled` and `running` (by key) are the sums that Redis keeps;
    `holds` and `journal` what they should be the sums of. `unleased`: holds that no sweep would find."""

    state: State
    at_ms: int
    version: int
    posted: int
    held: int
    journalled: int
    grants: Mapping[str, EndingGrant]
    running: Mapping[str, int]
    holds: Mapping[RequestId, Hold]
    journal: Mapping[RequestId, Journalled]
    unleased: frozenset[RequestId]

    @classmethod
    def unreadable(cls) -> "Inspected":
        """Somebody wrote there what nobody can read."""
        return cls("unreadable", 0, 0, 0, 0, 0, {}, {}, {}, {}, frozenset())

    @property
    def running_counted(self) -> dict[str, int]:
        """How many requests run per key, counted from the holds."""
        return dict(Counter(str(hold.key_id) for hold in self.holds.values()))
