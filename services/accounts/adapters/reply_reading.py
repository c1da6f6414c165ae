"""Reads what another service answered, as the contract's class says; anything else is Unavailable."""

from typing import TypeVar

import httpx
from pydantic import ValidationError

from shared.contracts.internal.message import Message
from shared.errors import Kind, PromptlyError, Unavailable

MessageT = TypeVar("MessageT", bound=Message)


class RefusedThere(PromptlyError):
    """Another service says no, with its reason."""

    kind = Kind.INVALID
    code = "refused"


def read(reply: httpx.Response, message_class: type[MessageT]) -> MessageT:
    """Raises Unavailable."""
    try:
        return message_class.model_validate_json(reply.content)
    except ValidationError as error:
        raise Unavailable("A part of the service answered something unexpected. Please try again.") from error


def find(reply: httpx.Response, message_class: type[MessageT]) -> MessageT | None:
    """None where there is nothing of that name. Raises Unavailable."""
    return None if reply.status_code == httpx.codes.NOT_FOUND else read(reply, message_class)


def refuse_as_told(reply: httpx.Response) -> None:
    """Raises RefusedThere with the other service's own sentence, where it refused."""
    if reply.status_code < httpx.codes.BAD_REQUEST:
        return
    try:
        message = str(reply.json()["error"]["message"])
    except (ValueError, KeyError, TypeError) as unreadable:
        raise Unavailable("A part of the service answered something unexpected.") from unreadable
    raise RefusedThere(message)
