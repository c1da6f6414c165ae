"""Where a list goes on: opaque to the caller, and stable while rows are added, because it names the last row
seen and not a count of rows. It carries the list's window, so that a later page is of the same one."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from services.metering.domain.windows import Window, WindowInvalid, checked
from shared.errors import Kind, PromptlyError


class CursorInvalid(PromptlyError):
    """A cursor that no page of ours gave."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__("This cursor is not one that a page of this list gave.", param="cursor")


@dataclass(frozen=True, slots=True)
class Cursor:
    """`after`: the last row of the page before; None on the first."""

    window: Window
    after: str | None = None

    def going_on(self, after: str) -> str:
        """As the caller is given it for the next page."""
        parts = [self.window.since.isoformat(), self.window.until.isoformat(), after]
        return urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def cursor_of(text: str) -> Cursor:
    """Raises CursorInvalid: it comes from outside, and may be anything."""
    try:
        since, until, after = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not isinstance(after, str) or "\0" in after:
            raise CursorInvalid
        return Cursor(checked(datetime.fromisoformat(since), datetime.fromisoformat(until)), after)
    except (ValueError, TypeError, RecursionError, WindowInvalid) as error:
        raise CursorInvalid from error
