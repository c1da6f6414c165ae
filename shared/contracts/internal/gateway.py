"""What the gateway answers to the others over internal HTTP, both ends from the same classes."""

from pydantic import AwareDatetime, Field

from shared.contracts.internal.message import Message


class GatewayStatus(Message):
    """`GET /internal/status`: how the API stands, as this gateway sees it. `model` is None while no model server
    answers; `since` is when it was first seen with this model. `waiting` are requests without a place yet."""

    model: str | None
    since: AwareDatetime | None
    running: int = Field(ge=0)
    waiting: int = Field(ge=0)
