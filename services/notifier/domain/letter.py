"""A letter as an Internet message (RFC 5322, MIME): one recipient, plain text and HTML, a stable id."""

from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

SEVEN_BIT = policy.SMTP.clone(cte_type="7bit")
"""Every relay takes it: a message is pure ASCII, whatever is said in it."""


class Unmailable(ValueError):
    """No message can be addressed like this."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What the reader sees. It may hold an API key, so `repr` hides it."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


def compose(
    letter: Letter, *, sender: Address, recipient: str, message_id: str, now: datetime
) -> EmailMessage:
    """`message_id` is `id@host`, without brackets. Raises Unmailable, e.g. on a line break in the address."""
    message = EmailMessage(policy=SEVEN_BIT)
    message["To"] = _address_of(recipient)
    message["From"] = sender
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def parse_sender(text: str, *, default_name: str) -> Address:
    """`name@host` or `Name <name@host>`. Raises Unmailable."""
    name, _, address = text.rpartition("<")
    bare = _address_of(address.removesuffix(">").strip())
    display_name = name.strip().strip('"') or default_name
    return Address(display_name=display_name, username=bare.username, domain=bare.domain)


def _address_of(text: str) -> Address:
    """A host name in any script is written in its ASCII form (IDNA)."""
    local, _, domain = text.rpartition("@")
    try:
        return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}")
    except (ValueError, IndexError, MessageError) as error:
        raise Unmailable("it must be an address like name@example.com") from error
