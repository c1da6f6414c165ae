"""Batches of usage: numbered by their gateway without gaps, so that one that is missing shows."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Batch(NamedTuple):
    gateway: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Batches that were published and are not posted; some after the first may be."""

    gateway: str
    gap_from: int
    gap_through: int


def last_of_each(*sequences: Mapping[str, int]) -> dict[str, int]:
    """What several sources say of the same gateways: the highest number counts."""
    gateways = {gateway for source in sequences for gateway in source}
    return {gateway: max(source.get(gateway, 0) for source in sequences) for gateway in gateways}


def batches_of(sequences: Mapping[str, int]) -> Iterator[Batch]:
    return (Batch(*item) for item in sequences.items())


def is_drained(sequences: Mapping[str, int], posted_through: Collection[Batch]) -> bool:
    return all(batch in posted_through for batch in batches_of(sequences))
