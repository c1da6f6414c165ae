"""Events owned by accounts: who exists, and which keys they hold."""

from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from shared.contracts.envelope import Event


class Trial(BaseModel):
    """A trial to grant: tokens, and the instant after which no new request may spend them."""

    model_config = ConfigDict(frozen=True)

    tokens: int = Field(gt=0)
    expires_at: AwareDatetime


class Addressed(Event):
    """An event of a person's. `sealed_email` opens only with the notifier's private key: a broker writes what passes
    to its disk, where nobody can erase it. `email` is empty since then, and read where it is all there is."""

    email: str = Field(default="", repr=False)
    sealed_email: str = ""

    @model_validator(mode="after")
    def _is_addressed(self) -> Self:
        if not (self.email or self.sealed_email):
            raise ValueError("the event names nobody")
        return self


class AccountRegistered(Addressed):
    """A person registered for the first time. `trial` is absent where the trial was taken before."""

    TYPE: ClassVar[str] = "accounts.account_registered.v1"

    account_id: str
    trial: Trial | None = None


class KeyIssued(Addressed):
    """A key was made and is to be mailed. `sealed_key` opens only with the notifier's private key."""

    TYPE: ClassVar[str] = "accounts.key_issued.v1"

    account_id: str
    key_id: str
    sealed_key: str
    key_display: str
    reason: Literal["registered", "replaced", "recovered"]
    """`replaced`: the form was sent again; `recovered`: the link of a recovery mail was confirmed, or the operator
    sent a new one. In both the key mailed before has stopped working."""


class RecoveryRequested(Addressed):
    """Somebody who says to own the address wants a new key, and KEY_RECOVERY=confirm: mail the link, whose page
    changes nothing until its form is sent. `sealed_link` opens only with the notifier's private key."""

    TYPE: ClassVar[str] = "accounts.recovery_requested.v1"

    account_id: str
    sealed_link: str
    expires_at: AwareDatetime


class AccountDeleted(Event):
    """The person is to be forgotten; the anonymous ledger rows stay."""

    TYPE: ClassVar[str] = "accounts.account_deleted.v1"

    account_id: str
