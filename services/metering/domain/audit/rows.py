"""I17: an entry that an audit has once seen stays as it was. Each audit notes the entries that are there for good
by a digest each, in ranges; every later one computes them anew. The ranges are chained, so that whoever kept the
head of the chain sees also a note that was changed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256

from services.metering.domain.audit.findings import Check, Finding


@dataclass(frozen=True, slots=True)
class Noted:
    """A range of entries as it was noted: their digests in the order of their ids."""

    first_id: int
    last_id: int
    digests: tuple[int, ...]
    chain: str


@dataclass(frozen=True, slots=True)
class UnlikeNote:
    """An entry whose digest is not as noted; None: it is gone, or was not there."""

    entry_id: int
    noted: int | None
    found: int | None


def chained(earlier: str, first_id: int, last_id: int, digests: Iterable[int]) -> str:
    body = ",".join(map(str, (first_id, last_id, *digests)))
    return sha256(f"{earlier};{body}".encode()).hexdigest()


def changed_entries(rows: Iterable[UnlikeNote]) -> Iterator[Finding]:
    for row in rows:
        if row.found is None:
            text = "is gone"
        elif row.noted is None:
            text = "appeared among entries that were complete"
        else:
            text = "is not what it was"
        yield Finding(Check.ROWS, f"entry {row.entry_id}", text)


def broken_chain(earlier: str, notes: Iterable[Noted]) -> Iterator[Finding]:
    """`notes` follow each other; `earlier` is the chain before the first."""
    for note in notes:
        if note.chain != chained(earlier, note.first_id, note.last_id, note.digests):
            subject = f"note of entries {note.first_id} to {note.last_id}"
            yield Finding(Check.ROWS, subject, "was changed after an audit wrote it")
        earlier = note.chain
