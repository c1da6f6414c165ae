"""`python -m services.notifier mail-test ADDRESS`: one mail to that address over the relay as it is set, step by step,
so that a wrong setting has a name before the first customer waits for a key."""

import sys
from email.headerregistry import Address
from email.message import EmailMessage
from uuid import uuid4

from services.notifier.domain.delivery import Accepted, MailRefused, RelayFailed
from services.notifier.domain.letter import Letter, Unmailable, compose
from services.notifier.domain.relay_faults import RelayUnusable
from services.notifier.use_cases.deliver_mail import Letterhead, Mailer
from shared.clock import utc_now

SUBJECT = "A test mail from {site_name}"
TEXT = "If you read this, mails from {site_name} arrive.\n"


async def mail_test(
    mailer: Mailer, letterhead: Letterhead, recipient: str, *, site_name: str, way_out: str
) -> int:
    """The exit code. Prints each step."""
    try:
        message = _message(letterhead.sender, letterhead.host, recipient, site_name)
    except Unmailable as error:
        return _failed(f"{recipient}: {error}")
    try:
        _say(f"way out        {way_out}")
        await mailer.check(letterhead.sender)
        _say("connection     works, sender accepted")
        return _told(await mailer.send(message), recipient)
    except (RelayUnusable, OSError) as error:
        return _failed(str(error))
    finally:
        await mailer.close()


def _message(sender: Address, host: str, recipient: str, site_name: str) -> EmailMessage:
    text = TEXT.format(site_name=site_name)
    return compose(
        Letter(SUBJECT.format(site_name=site_name), text, f"<p>{text}</p>"),
        sender=sender,
        recipient=recipient,
        message_id=f"{uuid4()}@{host}",
        now=utc_now(),
    )


def _told(attempt: Accepted | MailRefused | RelayFailed, recipient: str) -> int:
    match attempt:
        case Accepted():
            _say(f"mail           accepted for {recipient}; look into its inbox, and its spam folder")
            return 0
        case MailRefused(code):
            return _failed(f"The relay refuses this recipient or the content with {code}.")
        case RelayFailed(code):
            return _failed(f"The relay broke off{f' with {code}' if code else ''}.")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _failed(why: str) -> int:
    sys.stderr.write(f"No mail was sent. {why}\n")
    return 1
