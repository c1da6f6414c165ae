"""Who is buying, as accounts says."""

from dataclasses import dataclass, field

from shared.errors import Kind, PromptlyError
from shared.ids import AccountId


@dataclass(frozen=True, slots=True)
class Buyer:
    """`form_token` belongs to a session: our forms repeat it."""

    account_id: AccountId
    email: str
    key_display: str
    form_token: str | None = field(default=None, repr=False)


class NotSignedIn(PromptlyError):
    """No key and no session, or none that works."""

    kind = Kind.UNAUTHENTICATED
    code = "not_signed_in"


class ForeignForm(PromptlyError):
    """A form sent by cookie that did not come from one of our pages."""

    kind = Kind.FORBIDDEN
    code = "foreign_form"
