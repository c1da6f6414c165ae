"""What happened, as those saw it who made it happen: one JSON line each. The checker reads nothing else of the load."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Literal

End = Literal["done", "error", "broken", "left", "refused"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `delivered`: tokens that its client got; `end` broken: the connection, or nobody answered;
    `status` 0: no status line came."""

    name: str
    api: str
    is_stream: bool
    gateway: str
    tokens_prompt: int
    sent_at: float
    ended_at: float
    status: int
    delivered: int
    end: End
    request_id: str

    @property
    def account_id(self) -> str:
        return self.name[:8]


@dataclass(frozen=True, slots=True)
class Revoked:
    """A key's end was asked for and answered."""

    key_display: str
    answered_at: float


@dataclass(frozen=True, slots=True)
class Tried:
    """A request with a key of which the end was asked for, or soon would be."""

    key_display: str
    sent_at: float
    status: int


@dataclass(frozen=True, slots=True)
class Registered:
    """The form was answered 200."""

    email: str
    at: float


@dataclass(frozen=True, slots=True)
class Ordered:
    """A checkout was answered with its pay page."""

    purchase_id: str
    provider_id: str
    method: str
    account_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Changed:
    """An operator's change, under an id that was sent until somebody answered. `is_done`: that was 200."""

    action_id: str
    account_id: str
    delta: int
    is_done: bool
    at: float


@dataclass(frozen=True, slots=True)
class Fault:
    """`mended_at` is when the harness undid it, which is not when the system had recovered."""

    kind: str
    target: str
    begun_at: float
    mended_at: float


Event = Asked | Revoked | Tried | Registered | Ordered | Changed | Fault


@dataclass(slots=True)
class History:
    file: IO[str]
    asked: list[Asked] = field(default_factory=list)
    revoked: list[Revoked] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    registered: list[Registered] = field(default_factory=list)
    ordered: list[Ordered] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @classmethod
    def at(cls, path: Path) -> "History":
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path.open("w", buffering=1))

    def note(self, event: Event) -> None:
        name = "faults" if isinstance(event, Fault) else type(event).__name__.lower()
        getattr(self, name).append(event)
        self.file.write(json.dumps({"what": type(event).__name__, **asdict(event)}) + "\n")

    def statuses(self) -> dict[str, int]:
        return dict(sorted(Counter(str(each.status) for each in self.asked).items()))

    def fault_kinds(self) -> dict[str, int]:
        return dict(sorted(Counter(each.kind for each in self.faults).items()))


def now() -> float:
    """Seconds; compared only with itself."""
    return time.monotonic()
