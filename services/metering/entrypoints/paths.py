"""What paths and queries of the internal routes may hold."""

from typing import Annotated

from fastapi import Path, Query

from shared.contracts.internal.metering import ROWS_PER_PAGE_MAX

ROWS_PER_PAGE = 100
DAYS_MAX = 366
TEXT_MAX = 2000
"""Of a cursor or a model's name."""

AccountInPath = Annotated[str, Path(pattern="^[0-9A-Za-z]{8}$")]
Limit = Annotated[int, Query(ge=1, le=ROWS_PER_PAGE_MAX)]
Text = Annotated[str | None, Query(max_length=TEXT_MAX, pattern=r"^[^\x00]*$")]
"""PostgreSQL's text holds every character but this one."""
