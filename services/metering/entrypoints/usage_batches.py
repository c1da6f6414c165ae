"""Usage from the bus: the batches that wait are posted together; what cannot be posted is left over, alone.

A batch with a record that is no record is still a batch of the others.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from services.metering.domain.acceptance import Refused
from services.metering.domain.batches import Batch
from services.metering.use_cases import measure
from services.metering.use_cases.post_usage import Delivery, post_usage
from shared.bus.batching import Batching
from shared.bus.failures import Leftover
from shared.clock import utc_now
from shared.contracts.envelope import Envelope
from shared.contracts.gateway import UsageRecord, UsageRecorded
from shared.ids import new_uuid7
from shared.postgres import Pool
from shared.tracing import spans

RECORDS_PER_BATCH = 2_000
"""One transaction then takes about 0.1 s, and another 500 of its last message."""


class _UsageRecorded(BaseModel):
    """The event without a look at its records."""

    gateway: str
    sequence: int = Field(ge=1)
    records: tuple[Any, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class _Heard:
    """An event, its records by their place in it, and what is wrong with those that are none."""

    envelope: Envelope
    delivery: Delivery
    places: Sequence[int]
    broken: Mapping[int, ValidationError]

    def leftovers(self, refused: Refused) -> list[Leftover]:
        """Records with the same fault stay together."""
        errors: dict[int, Exception] = dict(self.broken)
        if refused:
            placed = zip(self.places, self.delivery.records, strict=True)
            errors |= {place: refused[record] for place, record in placed if record in refused}
        by_fault: dict[str, list[int]] = {}
        for place, error in errors.items():
            by_fault.setdefault(f"{type(error)}: {error}", []).append(place)
        return [Leftover(_part_of(self.envelope, places), errors[places[0]]) for places in by_fault.values()]


def usage_batches(pool: Pool, *, retention: timedelta, on_commit: Callable[[], None]) -> Batching:
    async def handle(envelopes: Sequence[Envelope]) -> list[list[Leftover]]:
        heard = [_hear(envelope) for envelope in envelopes]
        deliveries = [each.delivery for each in heard if isinstance(each, _Heard)]
        started_ns = time.time_ns()
        refused = await post_usage(pool, deliveries, retention=retention, now=utc_now())
        on_commit()
        if spans.is_on():
            _trace([each for each in heard if isinstance(each, _Heard)], refused, started_ns)
        return [each.leftovers(refused) if isinstance(each, _Heard) else [each] for each in heard]

    return Batching(handle, size_of=_count_records, size_max=RECORDS_PER_BATCH)


def _trace(heard: Sequence[_Heard], refused: Refused, started_ns: int) -> None:
    """Into the trace of each request that its usage is posted, and by which batch it came."""
    for each in heard:
        for record in each.delivery.records:
            if record not in refused:
                request_id, cause = str(record.request_id), each.envelope.traceparent
                with spans.step("post usage", request_id, because_of=cause, started_ns=started_ns) as span:
                    span.note(account_id=record.account_id, tokens=record.tokens, outcome=record.outcome)


def _hear(envelope: Envelope) -> _Heard | Leftover:
    """A leftover is an event that is no batch at all."""
    try:
        event = UsageRecorded.model_validate(envelope.data)
    except ValidationError:
        return _hear_each_record(envelope)
    delivery = Delivery(envelope.id, Batch(event.gateway, event.sequence), event.records)
    return _Heard(envelope, delivery, range(len(event.records)), {})


def _hear_each_record(envelope: Envelope) -> _Heard | Leftover:
    try:
        event = _UsageRecorded.model_validate(envelope.data)
    except ValidationError as error:
        return Leftover(envelope, error)
    records: dict[int, UsageRecord] = {}
    broken: dict[int, ValidationError] = {}
    for place, record in enumerate(event.records):
        try:
            records[place] = UsageRecord.model_validate(record)
        except ValidationError as error:
            broken[place] = error
    measure.RECORDS_SET_ASIDE.labels("poison").inc(len(broken))
    delivery = Delivery(envelope.id, Batch(event.gateway, event.sequence), tuple(records.values()))
    return _Heard(envelope, delivery, tuple(records), broken)


def _part_of(envelope: Envelope, places: Sequence[int]) -> Envelope:
    """The same event with these records only, under an id of its own. All of them: the event itself."""
    records = envelope.data["records"]
    if len(places) == len(records):
        return envelope
    data = {**envelope.data, "records": [records[place] for place in sorted(places)]}
    return envelope.model_copy(update={"id": new_uuid7(), "data": data})


def _count_records(envelope: Envelope) -> int:
    records = envelope.data.get("records")
    return len(records) if isinstance(records, list) else 1
