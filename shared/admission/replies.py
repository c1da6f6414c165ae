"""Reads what the scripts answer: a word, then integers and names. The only place that knows the order."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared.admission.decisions import (
    Admitted,
    Authenticated,
    CountNeeded,
    Decision,
    Missing,
    RateState,
    Refusal,
    Refused,
    Unknown,
)
from shared.ids import AccountId, KeyId

Reply = Sequence[bytes | int]


class UnreadableReply(Exception):
    """A script and this module disagree: a fault in the program."""


def decision_of(reply: Reply, account_id: AccountId) -> Decision:
    if reply[0] == b"admitted":  # of every request: a `match` would look at the types of all of it
        return _admitted(account_id, *reply[1:])
    match list(reply):
        case [b"count_needed", *rate]:
            return CountNeeded(_rate_of(rate))
        case _:
            return _refused_or_unknown(reply)


def _admitted(
    account_id: AccountId, key_id: Any, held: Any, completion: Any, admitted_at_ms: Any, *rate: Any
) -> Admitted:
    return Admitted(
        account_id=account_id,
        key_id=KeyId(key_id.decode()),
        tokens_held=held,
        tokens_completion=completion,
        rate=_rate_of(rate),
        admitted_at=instant_of(admitted_at_ms),
    )


def authentication_of(reply: Reply, account_id: AccountId) -> Authenticated | Refused | Unknown:
    match list(reply):
        case [b"authenticated", bytes(key_id), *rate]:
            return Authenticated(account_id, KeyId(key_id.decode()), _rate_of(rate))
        case _:
            return _refused_or_unknown(reply)


def ip_refusal_of(reply: Reply) -> Refused | None:
    if reply[0] == b"passed":
        return None
    match list(reply):
        case [b"refused", bytes(reason), int(retry_ms), *rate]:
            return _refused(reason, retry_ms, rate)
        case _:
            raise UnreadableReply(reply)


def ip_rate_of(reply: Reply) -> RateState:
    """Of an address that was let in."""
    return _rate_of(reply[1:])


def key_rate_of(reply: Reply) -> RateState | None:
    """None for a key that is not known, or works no longer."""
    return None if reply[0] == b"unknown" else _rate_of(reply[1:])


def instant_of(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def ms_of(instant: datetime) -> int:
    """The reverse: whole milliseconds."""
    return round(instant.timestamp() * 1000)


def _refused_or_unknown(reply: Reply) -> Refused | Unknown:
    match list(reply):
        case [b"refused", bytes(reason), int(retry_ms), *rate]:
            return _refused(reason, retry_ms, rate)
        case [b"unknown", bytes(missing), *rate]:
            return Unknown(Missing(missing.decode()), _rate_of(rate) if rate else None)
        case _:
            raise UnreadableReply(reply)


def _refused(reason: bytes, retry_ms: int, rate: Reply) -> Refused:
    retry_after_seconds = -(-retry_ms // 1000)
    return Refused(Refusal(reason.decode()), retry_after_seconds, _rate_of(rate) if rate else None)


def _rate_of(rate: Reply) -> RateState:
    limit, remaining, reset_ms = rate
    return RateState(int(limit), int(remaining), int(reset_ms) / 1000)
