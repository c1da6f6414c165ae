"""Runs a statement as it stands in the code, and tells how the database came to its rows: what was read, and by what.

A plan says on a slow day what it says on a fast one."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import asyncpg

from shared.postgres import Pool

SCANS = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Bitmap Index Scan")


@dataclass(frozen=True, slots=True)
class Scan:
    """`rows_read` counts those that a filter threw away, too."""

    how: str
    table: str
    rows_read: int


@dataclass
class Explained:
    """Stands where a pool stands; the plan of what was asked last is in `scans` and `rows_sorted`."""

    connection: asyncpg.Connection
    scans: list[Scan] = field(default_factory=list)
    rows_sorted: int = 0

    def as_pool(self) -> Pool:
        return cast("Pool", self)

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        await self.execute(statement, *arguments)
        return list(await self.connection.fetch(statement, *arguments))

    async def execute(self, statement: str, *arguments: object) -> None:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        [plan] = json.loads(await self.connection.fetchval(explain, *arguments))
        nodes = list(_nodes(plan["Plan"]))
        self.scans = [_scan(node) for node in nodes if node["Node Type"] in SCANS]
        sorts = [node["Plans"][0] for node in nodes if "Sort" in node["Node Type"]]
        self.rows_sorted = max((_rows(each) for each in sorts), default=0)

    def rows_read(self, *how: str) -> int:
        return sum(scan.rows_read for scan in self.scans if not how or scan.how in how)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _scan(node: dict[str, Any]) -> Scan:
    removed = sum(value for name, value in node.items() if name.startswith("Rows Removed"))
    rows = _rows(node) + removed * node["Actual Loops"]
    return Scan(node["Node Type"], node.get("Relation Name", node.get("Index Name", "")), rows)


def _rows(node: dict[str, Any]) -> int:
    return int(node["Actual Rows"] * node["Actual Loops"])
