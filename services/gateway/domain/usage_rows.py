"""Usage as its holder sees it: the same rows in JSON and in CSV, named as signed receipts name them."""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.gateway.domain.usage_query import GroupBy
from shared.contracts.internal.metering import Receipt, ReceiptPage, UsageReport

COUNTS = ("requests", "tokens_prompt", "tokens_completion", "tokens_cached")
RECEIPT_COLUMNS = tuple(Receipt.model_fields)
COLUMNS: dict[GroupBy, tuple[str, ...]] = {
    "day": ("day", *COUNTS),
    "model": ("model", *COUNTS),
    "request": RECEIPT_COLUMNS,
}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class UsagePage:
    group_by: GroupBy
    since: datetime
    until: datetime
    rows: tuple[Row, ...]
    next_cursor: str | None

    def as_json(self) -> Row:
        return {
            "object": "list",
            "group_by": self.group_by,
            "since": instant(self.since),
            "until": instant(self.until),
            "data": list(self.rows),
            "has_more": self.next_cursor is not None,
            "next_cursor": self.next_cursor,
        }

    def as_csv(self) -> str:
        """With its header line, also when nothing was used."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS[self.group_by], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(_plain(row) for row in self.rows)
        return text.getvalue()


def page_of_report(report: UsageReport, group_by: GroupBy) -> UsagePage:
    rows = tuple({group_by: row.group} | {name: getattr(row, name) for name in COUNTS} for row in report.rows)
    return UsagePage(group_by, report.since, report.until, rows, report.next_cursor)


def page_of_receipts(page: ReceiptPage) -> UsagePage:
    rows = tuple(receipt_row(receipt) for receipt in page.receipts)
    return UsagePage("request", page.since, page.until, rows, page.next_cursor)


def receipt_row(receipt: Receipt) -> Row:
    return receipt.model_dump(mode="json")


def instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _plain(row: Row) -> Row:
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in row.items()}
