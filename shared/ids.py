"""The identifiers that cross services, as types, and the one way to make a new one.

UUIDv7 (RFC 9562) sorts by time, so that tables and partitions keyed by it stay append-only.
"""

import re
from datetime import datetime
from typing import NewType
from uuid import UUID

import uuid_utils

AccountId = NewType("AccountId", str)
"""An account's public handle: 8 base62 characters, part of each of its keys."""

KeyId = NewType("KeyId", str)
"""UUIDv7 text: names an API key without revealing it."""

RequestId = NewType("RequestId", str)
"""UUIDv7 text, 36 characters: one request from the gateway's edge to its ledger entry."""

KeyDigest = NewType("KeyDigest", str)
"""64 hex digits: HMAC-SHA256 of an API key under the pepper."""


REQUEST_ID_PATTERN = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def new_uuid7() -> UUID:
    """A UUIDv7, monotone within this process."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def first_uuid7_at(instant: datetime) -> UUID:
    """What orders before every UUIDv7 of this instant: their first 48 bits are milliseconds since 1970 (RFC 9562)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80)


def new_request_id() -> RequestId:
    return RequestId(str(uuid_utils.uuid7()))


def find_request_id(name: bytes) -> RequestId | None:
    """What stands in Redis as the name of a request; None when it is none."""
    return RequestId(name.decode()) if REQUEST_ID_PATTERN.fullmatch(name) else None
