"""What can be wrong between us and the relay, each with its remedy in the names of the operator's settings."""

from enum import StrEnum


class TlsMode(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class Step(StrEnum):
    """How far a dialogue came."""

    CONNECT = "connect"
    STARTTLS = "starttls"
    CERTIFICATE = "certificate"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


REMEDIES = {
    Step.CONNECT: "The relay does not answer: check SMTP_HOST, SMTP_PORT and the firewall; for port 465 SMTP_TLS is implicit.",
    Step.STARTTLS: "The relay does not offer STARTTLS, which is required: set SMTP_TLS to implicit, or to none for a relay on this machine.",
    Step.CERTIFICATE: "The relay's certificate is not trusted: SMTP_HOST must be the name in it, and its issuer known to this system.",
    Step.LOGIN: "The relay refuses the login: check SMTP_USER and SMTP_PASSWORD.",
    Step.SENDER: "The relay refuses the sender: SMTP_FROM must be an address that it lets this user send from.",
    Step.RECIPIENT: "The relay refuses this recipient.",
    Step.CONTENT: "The relay refused the content, or broke off while it was sent.",
}


class RelayUnusable(Exception):
    """The relay cannot be used as it is set. `code` is its SMTP reply code, if it replied."""

    def __init__(self, step: Step, code: int | None) -> None:
        super().__init__(f"{REMEDIES[step]}{f' (It answered {code}.)' if code else ''}")
        self.step = step
        self.code = code

    @property
    def remedy(self) -> str:
        return REMEDIES[self.step]
