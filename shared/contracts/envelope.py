"""The envelope around every event: CloudEvents 1.0 JSON in structured mode.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md — extension attributes are
lower-case alphanumeric, hence `requestid`. Inside an event version only optional fields are added;
unknown fields are ignored, so that an older consumer reads a newer producer.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.ids import new_uuid7
from shared.tracing import spans

CONTENT_TYPE = "application/cloudevents+json"


class Event(BaseModel):
    """What an event says: the `data` of its envelope. A subclass names its routing key in TYPE."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    TYPE: ClassVar[str]


class Envelope(BaseModel):
    """One CloudEvent. `subject` is the account it is about; `source` the service that owns the fact."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str | None = None
    time: AwareDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    requestid: str | None = None
    data: dict[str, Any]

    def to_json(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, body: bytes | str) -> "Envelope":
        """Raises pydantic.ValidationError when the body is not a CloudEvent."""
        return cls.model_validate_json(body)


def wrap(
    event: Event, *, source: str, subject: str | None, now: datetime, request_id: str | None = None
) -> Envelope:
    """The envelope of a new fact, with a fresh id. `source` is the service's name."""
    return Envelope(
        id=new_uuid7(),
        source=f"/{source}",
        type=event.TYPE,
        subject=subject,
        time=now,
        traceparent=spans.current_traceparent(),
        requestid=request_id,
        data=event.model_dump(mode="json"),
    )
