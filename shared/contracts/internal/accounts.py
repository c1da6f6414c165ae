"""What accounts answers to the others over internal HTTP, both ends from the same classes."""

from pydantic import AwareDatetime, Field, SecretStr

from shared.contracts.internal.message import Message


class KeyRefillRequest(Message):
    """gateway: Redis does not know this key; write its record there if you do."""

    digest: str = Field(pattern="^[0-9a-f]{64}$")


class KeyRefillReply(Message):
    found: bool


class IdentifyRequest(Message):
    """billing, `POST /internal/identify`: whose key or dashboard session is this? Exactly one of the two is set.
    `form_token` is what a form sent by cookie must repeat; it is compared only when it is given."""

    key: SecretStr | None = None
    session: SecretStr | None = None
    form_token: SecretStr | None = None


class IdentifyReply(Message):
    """`form_token` is set for a session: a page puts it into its forms. 404 when nobody is known by it."""

    account_id: str
    email: str
    key_display: str
    form_token: SecretStr | None = None


class OperatorRequest(Message):
    """billing, `POST /internal/operator`: is this the admin key? `client` is what wrong ones are counted by."""

    key: SecretStr
    client: str


class OperatorReply(Message):
    """False for a wrong key, and for any key after too many wrong ones."""

    admitted: bool


class AccountSeen(Message):
    """One account as the audit needs it: no address."""

    account_id: str
    registered_at: AwareDatetime
    has_trial: bool


class AccountPage(Message):
    """`GET /internal/accounts?after=&limit=`: by account id; `next_after` is None at the end."""

    accounts: tuple[AccountSeen, ...]
    next_after: str | None
