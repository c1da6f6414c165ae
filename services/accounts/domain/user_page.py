"""What was announced of an account lately: by type and time, never with its content."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class EventSeen:
    type: str
    created_at: datetime
    published_at: datetime | None
