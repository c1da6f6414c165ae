"""Mails as their readers get them: in both parts, in every client, to one address."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest

from services.notifier.adapters.letters_jinja import Letters
from services.notifier.domain.letter import Letter, Unmailable, compose, parse_sender
from services.notifier.domain.mail import SECRET_KINDS, Facts, Mail, MailKind
from shared.api_keys import new_api_key
from shared.ids import AccountId

ACCOUNT = AccountId("Ab3dE5gH")
KEY = new_api_key(ACCOUNT)
LINK = "https://promptly.test/recover?token=abc"
FACTS: dict[MailKind, Facts] = {kind: {} for kind in MailKind} | {
    MailKind.RECOVERY_LINK: {"expires_at": "2026-11-23T13:00:00+00:00"},
    MailKind.PURCHASE_COMPLETED: {
        "pack": "standard",
        "tokens": 25_000_000,
        "amount": "2.00 USD",
        "method": "card",
        "receipt_number": "2026-000042",
    },
    MailKind.PURCHASE_REVERSED: {"tokens": 5_000_000, "reason": "refunded"},
    MailKind.BALANCE_LOW: {"tokens": 9_500, "threshold": 10_000},
    MailKind.TRIAL_ENDING: {"tokens": 40_000, "expires_at": "2026-11-25T12:00:00+00:00"},
}
SECRET = dict.fromkeys(SECRET_KINDS, KEY) | {MailKind.RECOVERY_LINK: LINK}
SAYS = {
    MailKind.KEY_RECOVERED: ("stopped working", KEY),
    MailKind.RECOVERY_LINK: (LINK, "23 November 2026, 13:00 UTC", "do nothing"),
    MailKind.PURCHASE_COMPLETED: ("2026-000042", "standard", "25,000,000", "2.00 USD by card"),
    MailKind.PURCHASE_REVERSED: ("refunded", "5,000,000", "next purchase"),
    MailKind.BALANCE_LOW: ("9,500", "10,000", "402"),
    MailKind.BALANCE_EXHAUSTED: ("used up", "402"),
    MailKind.TRIAL_ENDING: ("25 November 2026, 12:00 UTC", "40,000"),
}
SENDER = parse_sender("keys@promptly.test", default_name="Promptly")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def letter(kind: MailKind, base_url: str = "https://promptly.test") -> Letter:
    return Letters(base_url).write(Mail(UUID(int=1), ACCOUNT, kind, FACTS[kind]), SECRET.get(kind))


def sent(kind: MailKind = MailKind.KEY_REGISTERED, recipient: str = "ada@example.com") -> EmailMessage:
    """The message as the other end reads it."""
    composed = compose(
        letter(kind), sender=SENDER, recipient=recipient, message_id="1@promptly.test", now=NOW
    )
    return message_from_bytes(composed.as_bytes(), policy=policy.default)


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    content = found.get_content()
    assert isinstance(content, str)
    return content


def test_the_key_stands_on_a_line_of_its_own() -> None:
    lines = part(sent(), "plain").splitlines()
    assert KEY in lines
    assert set(re.findall(r"\bsk-[0-9A-Za-z]{44}\b", "\n".join(lines))) == {KEY}


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_parts_hold_the_key_the_address_and_the_way_on(kind: str) -> None:
    text = part(sent(), kind)
    for wanted in (KEY, "https://promptly.test/v1", "https://promptly.test/dashboard", "curl", "Bearer"):
        assert wanted in text


def test_no_link_carries_the_key() -> None:
    links = re.findall(r"https?://[^\s\"<]+", part(sent(), "plain") + part(sent(), "html"))
    assert links
    assert not [link for link in links if "sk-" in link]


def test_a_replaced_key_says_that_the_old_one_has_stopped() -> None:
    for kind in ("plain", "html"):
        assert "stopped working" in " ".join(part(sent(MailKind.KEY_REPLACED), kind).split())
        assert "stopped working" not in " ".join(part(sent(MailKind.KEY_REGISTERED), kind).split())


@pytest.mark.parametrize("part_kind", ["plain", "html"])
@pytest.mark.parametrize("kind", SAYS)
def test_both_parts_say_what_there_is_to_know(kind: MailKind, part_kind: str) -> None:
    text = " ".join(part(sent(kind), part_kind).split())
    for wanted in SAYS[kind]:
        assert wanted in text


@pytest.mark.parametrize("kind", MailKind)
def test_every_mail_can_be_read_in_the_dark_and_on_any_terminal(kind: MailKind) -> None:
    message = sent(kind)
    html = part(message, "html")
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert max(map(len, part(message, "plain").splitlines())) <= 90
    assert "Promptly" in message["Subject"]


@pytest.mark.parametrize(
    ("tokens", "reason", "says"),
    [(0, "refunded", "all of its tokens are yours again"), (7, "dispute_lost", "dispute ended against us")],
)
def test_a_reversal_says_why_and_a_withdrawn_one_that_it_was(tokens: int, reason: str, says: str) -> None:
    facts: Facts = {"tokens": tokens, "reason": reason}
    written = Letters("https://x.test").write(
        Mail(UUID(int=1), ACCOUNT, MailKind.PURCHASE_REVERSED, facts), None
    )
    for text in (written.text, written.html):
        assert says in " ".join(text.split())
        assert ("next purchase" in " ".join(text.split())) == (tokens > 0)
    assert ("taken back" in written.subject) == (tokens > 0)
    assert ("taken back" in written.html) == (tokens > 0)


def test_the_site_has_the_name_that_the_operator_gave_it() -> None:
    facts = FACTS[MailKind.BALANCE_LOW]
    written = Letters("https://x.test", "Ada's Models").write(
        Mail(UUID(int=1), ACCOUNT, MailKind.BALANCE_LOW, facts), None
    )
    assert written.subject == "Your Ada's Models balance is low"


def test_html_escapes_what_it_shows() -> None:
    assert "<script>" not in letter(MailKind.KEY_REGISTERED, "https://<script>").html


def test_the_headers_name_one_recipient_and_a_stable_id() -> None:
    message = sent()
    assert message["To"] == "ada@example.com"
    assert message["From"] == "Promptly <keys@promptly.test>"
    assert message["Message-ID"] == "<1@promptly.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW


def test_a_message_is_ascii_whatever_it_says() -> None:
    foreign = Letter("Schlüssel für Łódź", "ключ\n", "<p>ключ</p>")
    message = compose(foreign, sender=SENDER, recipient="ada@bücher.example", message_id="1@x", now=NOW)
    assert message.as_bytes().isascii()
    assert message["To"].addresses[0].addr_spec == "ada@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "recipient",
    ["", "ada", "ada@", "@example.com", "ada@example.com\r\nBcc: eve@example.com", "a b@c.d", "ä@b.de"],
)
def test_what_is_no_address_is_unmailable(recipient: str) -> None:
    with pytest.raises(Unmailable):
        sent(recipient=recipient)


def test_the_sender_may_bring_a_name() -> None:
    assert str(parse_sender("Ada <ada@example.com>", default_name="Promptly")) == "Ada <ada@example.com>"
    assert str(parse_sender("ada@example.com", default_name="Promptly")) == "Promptly <ada@example.com>"


def test_a_letter_does_not_show_its_key_in_a_log() -> None:
    assert KEY not in repr(letter(MailKind.KEY_REGISTERED))
