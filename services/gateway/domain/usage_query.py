"""What /v1/usage is asked: its query read within bounds, or InvalidRequest naming the first field at fault."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, get_args
from urllib.parse import parse_qsl
from uuid import UUID

from services.gateway.domain.errors import InvalidRequest

GroupBy = Literal["day", "model", "request"]
Form = Literal["json", "csv"]
GROUPS: tuple[GroupBy, ...] = get_args(GroupBy)
FORMS: tuple[Form, ...] = get_args(Form)
LIMIT_DEFAULT = 100
LIMIT_MAX = 1000
PARAMETERS_MAX = 32
CURSOR_LENGTH_MAX = 2000
CURSOR = re.compile(r"[A-Za-z0-9_-]+")
KNOWN = frozenset({"group_by", "since", "until", "limit", "cursor", "format"})
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", re.IGNORECASE)
EPOCH_SECONDS = re.compile(r"\d{1,11}")


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """`since` is inside and `until` outside; None: the last 30 days. A cursor brings its own span."""

    group_by: GroupBy
    since: datetime | None
    until: datetime | None
    limit: int
    cursor: str | None
    form: Form
    ignored_fields: tuple[str, ...]


def parse_usage_query(query: str, accept: str) -> UsageQuery:
    """`query` as it stands in the address, `accept` the header. What is given wins over what is accepted."""
    given = read_query(query)
    return UsageQuery(
        group_by=_group_by(given.get("group_by")),
        since=_instant("since", given.get("since")),
        until=_instant("until", given.get("until")),
        limit=_limit(given.get("limit")),
        cursor=_cursor(given.get("cursor")),
        form=_form(given.get("format"), accept),
        ignored_fields=tuple(name for name in given if name not in KNOWN),
    )


def read_query(query: str) -> dict[str, str]:
    """Each parameter once."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX, errors="strict")
    except ValueError as error:  # too many, or not UTF-8
        raise InvalidRequest(
            f"The query must be at most {PARAMETERS_MAX} parameters in UTF-8.", param="query"
        ) from error
    given = dict(pairs)
    if len(given) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"'{twice[:64]}' is given twice.", param=twice[:64])
    return given


def request_id_of(text: str) -> UUID:
    """As the header `x-request-id` has it. Raises InvalidRequest."""
    if not REQUEST_ID.fullmatch(text):
        message = "'request_id' must be what the header x-request-id of an answer said."
        raise InvalidRequest(message, param="request_id")
    return UUID(text)


def wants_signature(query: str) -> bool:
    value = read_query(query).get("signed", "false")
    if value not in ("true", "false"):
        raise InvalidRequest("'signed' must be true or false.", param="signed")
    return value == "true"


def _group_by(text: str | None) -> GroupBy:
    for group in GROUPS:
        if text in (None, group):
            return group
    raise InvalidRequest(f"'group_by' must be one of: {', '.join(GROUPS)}.", param="group_by")


def _form(text: str | None, accept: str) -> Form:
    if text is None:
        return "csv" if "text/csv" in accept.lower() else "json"
    for form in FORMS:
        if text == form:
            return form
    raise InvalidRequest(f"'format' must be one of: {', '.join(FORMS)}.", param="format")


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT_DEFAULT
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LIMIT_MAX):
        raise InvalidRequest(f"'limit' must be an integer from 1 to {LIMIT_MAX}.", param="limit")
    return int(text)


def _cursor(text: str | None) -> str | None:
    if text is not None and not (len(text) <= CURSOR_LENGTH_MAX and CURSOR.fullmatch(text)):
        raise InvalidRequest("'cursor' is not one that a page of this list gave.", param="cursor")
    return text


def _instant(field: str, text: str | None) -> datetime | None:
    """A day (its beginning, UTC), an instant with its offset, or seconds since 1970."""
    if text is None:
        return None
    try:
        if EPOCH_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text), UTC)
        if len(text) == len("2026-11-01"):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        message = f"'{field}' must be a day (2026-11-01), an instant (2026-11-01T12:00:00Z) or Unix seconds."
        raise InvalidRequest(message, param=field) from error
