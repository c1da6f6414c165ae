"""Every event has one golden example, and reading and writing it changes nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.contracts.accounts import AccountDeleted
from shared.contracts.catalogue import EVENT_CLASSES, UnknownEvent, unwrap
from shared.contracts.envelope import Envelope, wrap

GOLDEN = Path(__file__).parent.parent / "golden"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def golden(event_type: str) -> bytes:
    return (GOLDEN / f"{event_type}.json").read_bytes()


def test_each_event_has_exactly_one_golden_example() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(EVENT_CLASSES)


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_a_golden_example_survives_reading_and_writing(event_type: str) -> None:
    envelope = Envelope.from_json(golden(event_type))
    event = unwrap(envelope)
    assert json.loads(envelope.to_json()) == json.loads(golden(event_type))
    assert event.model_dump(mode="json") == json.loads(golden(event_type))["data"]


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_an_older_consumer_ignores_fields_it_does_not_know(event_type: str) -> None:
    newer = json.loads(golden(event_type))
    newer["data"]["added_later"] = {"by": "a newer producer"}
    newer["extension"] = "added later"
    assert unwrap(Envelope.model_validate(newer)) == unwrap(Envelope.from_json(golden(event_type)))


@pytest.mark.parametrize("event_type", sorted(EVENT_CLASSES))
def test_an_event_without_its_account_or_records_is_refused(event_type: str) -> None:
    broken = json.loads(golden(event_type))
    broken["data"].pop("account_id", None)
    broken["data"].pop("records", None)
    with pytest.raises(ValidationError):
        unwrap(Envelope.model_validate(broken))


def test_an_unknown_type_is_named() -> None:
    envelope = wrap(AccountDeleted(account_id="Ab3dE5gH"), source="accounts", subject="Ab3dE5gH", now=NOON)
    with pytest.raises(UnknownEvent, match="invented"):
        unwrap(envelope.model_copy(update={"type": "accounts.invented.v1"}))


def test_a_wrapped_event_carries_its_type_subject_and_request() -> None:
    envelope = wrap(
        AccountDeleted(account_id="Ab3dE5gH"),
        source="accounts",
        subject="Ab3dE5gH",
        now=NOON,
        request_id="r-1",
    )
    assert (envelope.source, envelope.type) == ("/accounts", "accounts.account_deleted.v1")
    assert (envelope.subject, envelope.requestid, envelope.time) == ("Ab3dE5gH", "r-1", NOON)
