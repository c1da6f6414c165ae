"""I3 and I4: what was settled is posted as it was settled, and no more is posted than the model server made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from services.metering.domain.audit.findings import Check, Finding
from shared.contracts.gateway import UsageRecord

IN_FLIGHT_SECONDS = 60
"""From settlement to posting when all is well: under a second. A message that is tried again takes longer."""

EXACT_BELOW = 1_000_000
ROUNDED_BY = 5e-6
"""llama-server writes six digits of a counter (1.23457e+06), so a greater one is known to half of the sixth."""

Counts = tuple[int, int]
"""Tokens of prompt and completion."""


def unlike_settled(record: UsageRecord, revisions: Mapping[int, Counts], *, is_in_flight: bool) -> str | None:
    """What is wrong with it, if anything. `revisions`: those that are posted of this request; a later one stands
    for an earlier one that came in the same batch."""
    settled = (record.tokens_prompt, record.tokens_completion)
    if max(revisions, default=0) < record.revision:
        return None if is_in_flight else f"settled with {settled[0]} + {settled[1]} tokens, and not posted"
    prompt, completion = revisions.get(record.revision, settled)
    if (prompt, completion) != settled:
        return f"settled with {settled[0]} + {settled[1]} tokens, posted with {prompt} + {completion}"
    return None


@dataclass(frozen=True, slots=True)
class Counters:
    """What all model servers together counted since each of them started."""

    prompt: int
    completion: int
    servers: str = ""
    """Which processes these are, as they name themselves; empty where they do not."""


@dataclass(frozen=True, slots=True)
class Since:
    """A reading of the counters to compare with, and the one before now: did a server start anew?"""

    read_at: datetime
    counters: Counters


def has_restarted(earlier: Counters, now: Counters) -> bool:
    """Counters only grow while a server lives. One that does not name its process, and counted more than before
    until it was looked at again, is taken for the same."""
    fell = now.prompt < earlier.prompt or now.completion < earlier.completion
    return fell or now.servers != earlier.servers


def overcharged(since: Since, now: Counters, posted: Counters) -> Iterator[Finding]:
    """`posted`: of completed answers admitted since that reading, so all of them were counted since then."""
    counted = Counters(now.prompt - since.counters.prompt, now.completion - since.counters.completion)
    for name, charged, made, unsure in (
        ("prompt", posted.prompt, counted.prompt, _unsure(since.counters.prompt, now.prompt)),
        (
            "completion",
            posted.completion,
            counted.completion,
            _unsure(since.counters.completion, now.completion),
        ),
    ):
        if charged > made + unsure:
            text = (
                f"{charged} posted since {since.read_at:%Y-%m-%d %H:%M:%S} UTC, the model server counted {made}: "
                "more was posted than generated, or it was restarted meanwhile"
            )
            yield Finding(Check.COUNTERS, f"{name} tokens", text)


def _unsure(earlier: int, now: int) -> int:
    """By how much the difference of two readings may be too small."""
    return ceil(sum(each for each in (earlier, now) if each >= EXACT_BELOW) * ROUNDED_BY)
