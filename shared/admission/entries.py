"""One entry of a settlement stream: where it stands, and the record it carries."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import structlog
from pydantic import TypeAdapter, ValidationError

from shared.contracts.gateway import UsageRecord

FIELD = b"r"

log = structlog.get_logger()

_RECORD = TypeAdapter(UsageRecord)

RawEntry = tuple[bytes, Mapping[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class EntryId:
    shard: int
    position: str


@dataclass(frozen=True, slots=True)
class Entry:
    id: EntryId
    record: UsageRecord


def written_of(record: UsageRecord) -> bytes:
    return _RECORD.dump_json(record)


def read_record(written: bytes) -> UsageRecord:
    """Raises pydantic.ValidationError."""
    return UsageRecord.model_validate_json(written)


def entries_in(shard: int, raw: Iterable[RawEntry]) -> Iterator[Entry]:
    """The readable ones. An unreadable one stays unconfirmed: counted, never trimmed, logged each time."""
    for position, fields in raw:
        entry_id = EntryId(shard, position.decode())
        try:
            record = read_record(fields[FIELD])
        except (ValidationError, KeyError):
            log.error("settlement_unreadable", shard=shard, position=entry_id.position)
        else:
            yield Entry(entry_id, record)
