"""What is parked, as a table for a terminal: one line a message, the oldest of each queue first."""

from collections.abc import Sequence
from datetime import datetime

from shared.bus.parked import NOTHING, Parked, ParkingPlace

COLUMNS = ("queue", "event", "type", "subject", "first seen", "age", "attempts", "reason")
NONE = "Nothing is parked."
STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def table(places: Sequence[ParkingPlace], now: datetime) -> str:
    rows = [_row(place.queue, each, now) for place in places for each in place.messages]
    if not rows:
        return f"{NONE}\n"
    lines = _aligned([COLUMNS, *rows])
    hidden = [(place.queue, place.count - len(place.messages)) for place in places]
    lines += [f"{queue}: {count} more are not listed." for queue, count in hidden if count > 0]
    return "".join(f"{line}\n" for line in lines)


def age(seconds: float) -> str:
    """In its largest whole unit."""
    for size, unit in STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "now"


def _row(queue: str, message: Parked, now: datetime) -> tuple[str, ...]:
    first = message.first_failed_at
    return (
        queue,
        message.event_id,
        message.event_type,
        message.subject,
        NOTHING if first is None else f"{first:%Y-%m-%d %H:%M:%S}",
        NOTHING if first is None else age((now - first).total_seconds()),
        str(message.attempts),
        message.reason,
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
