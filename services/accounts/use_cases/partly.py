"""A page lives on when a part of the system is away: it shows the rest and says what is missing."""

from collections.abc import Awaitable
from typing import TypeVar

import structlog

from shared.errors import Unavailable

T = TypeVar("T")
log = structlog.get_logger()


async def or_none(answer: Awaitable[T]) -> T | None:
    try:
        return await answer
    except Unavailable as error:
        log.warning("part_unavailable", reason=type(error.__cause__ or error).__name__)
        return None
