"""Which events owe a mail, to which address, and what the operator can do with mails that ended badly."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from services.notifier.domain.asked_for import amount_text
from services.notifier.tests.notifier_parts import Notifier
from services.notifier.tests.notifier_process import PUBLIC_KEY, issue_key
from services.notifier.tests.smtp_server import smtp_server
from services.notifier.use_cases.see_mails import KEEP, NothingToSend, SeeMails, UnknownMail
from shared.bus.failures import Park, judge
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted, AccountRegistered
from shared.contracts.billing import PurchaseCompleted
from shared.contracts.envelope import Envelope, Event, wrap
from shared.contracts.metering import BalanceExhausted, TrialEnding
from shared.errors import NotYet
from shared.ids import AccountId
from shared.postgres import Pool, open_pool
from shared.sealing import CannotUnseal, new_key_pair, seal
from tests.support.servers import DatabaseFactory

ACCOUNT = AccountId("Ab3dE5gH")
ADA = "ada@example.com"


@pytest.fixture(scope="module")
async def pool(database: DatabaseFactory) -> AsyncIterator[Pool]:
    pool = await open_pool((await database("notifier")).url, service="notifier")
    yield pool
    await pool.close()


@pytest.fixture
async def notifier(pool: Pool) -> AsyncIterator[Notifier]:
    for table in ("mails", "addressees"):
        await pool.execute(f"DELETE FROM {table}")  # noqa: S608
    async with smtp_server() as mailbox:
        yield Notifier(pool, mailbox, utc_now() + timedelta(seconds=1))


def event(data: Event) -> Envelope:
    return wrap(data, source="test", subject=ACCOUNT, now=utc_now())


def exhausted() -> Envelope:
    return event(BalanceExhausted(account_id=ACCOUNT))


async def registered(notifier: Notifier) -> None:
    await notifier.receive(event(AccountRegistered(account_id=ACCOUNT, email=ADA)))


def seen(notifier: Notifier) -> SeeMails:
    return SeeMails(notifier.pool, lambda: notifier.now, wake=lambda: None)


async def test_a_receipt_goes_to_the_stored_address(notifier: Notifier) -> None:
    await registered(notifier)
    purchase = PurchaseCompleted(
        purchase_id="p-1",
        account_id=ACCOUNT,
        tokens=25_000_000,
        pack="standard",
        amount_cents=200,
        currency="usd",
        method="btcpay",
        receipt_number="2026-000007",
    )
    await notifier.receive(event(purchase))
    assert await notifier.deliver()
    assert notifier.mailbox.recipients == [[ADA]]
    text = str(notifier.mailbox.mails[0].get_body(("plain",)))
    assert "2026-000007" in text
    assert "2.00 USD by Bitcoin" in text


@pytest.mark.parametrize(("cents", "text"), [(50, "0.50 USD"), (600, "6.00 USD"), (123_456, "1234.56 USD")])
def test_an_amount_is_exact(cents: int, text: str) -> None:
    assert amount_text(cents, "usd") == text


async def test_a_notice_before_its_registration_comes_again_later(notifier: Notifier) -> None:
    early = exhausted()
    with pytest.raises(NotYet):
        await notifier.receive(early)
    await registered(notifier)
    await notifier.receive(early)
    assert await notifier.deliver()
    assert notifier.mailbox.recipients == [[ADA]]


async def test_the_same_notice_twice_is_one_mail(notifier: Notifier) -> None:
    await registered(notifier)
    twice = exhausted()
    await notifier.receive(twice)
    await notifier.receive(twice)
    assert await notifier.count() == 1


async def test_a_key_goes_before_a_hundred_notices(notifier: Notifier) -> None:
    await registered(notifier)
    for _ in range(3):
        await notifier.receive(exhausted())
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    assert notifier.mailbox.recipients == [[issued.email]]


async def test_a_trial_that_is_over_is_not_told_of(notifier: Notifier) -> None:
    await registered(notifier)
    ending = TrialEnding(account_id=ACCOUNT, tokens_left=5, expires_at=notifier.now - timedelta(seconds=1))
    await notifier.receive(event(ending))
    assert await notifier.deliver()
    assert notifier.mailbox.mails == []
    [mail] = await seen(notifier).ended_badly()
    assert mail.state == "given_up"


async def test_a_sealed_address_is_opened_and_a_clear_one_of_an_older_producer_is_read(
    notifier: Notifier, pool: Pool
) -> None:
    of = "SELECT address FROM addressees WHERE account_id = $1"
    sealed = AccountRegistered(account_id=ACCOUNT, sealed_email=seal(PUBLIC_KEY, ADA))
    await notifier.receive(event(sealed))
    assert await pool.fetchval(of, ACCOUNT) == ADA
    await notifier.receive(event(AccountRegistered(account_id=ACCOUNT, email="old@example.com")))
    assert await pool.fetchval(of, ACCOUNT) == "old@example.com"


async def test_an_address_sealed_to_somebody_else_is_not_taken_for_handled(notifier: Notifier) -> None:
    other, _ = new_key_pair()
    envelope = event(AccountRegistered(account_id=ACCOUNT, sealed_email=seal(other, ADA)))
    with pytest.raises(CannotUnseal) as refused:
        await notifier.receive(envelope)
    verdict = judge(refused.value, attempts=3, rungs=3)
    assert isinstance(verdict, Park)
    assert ADA not in verdict.reason


async def test_deletion_leaves_no_address_anywhere(notifier: Notifier, pool: Pool) -> None:
    account = AccountId("Gone0001")
    for gone in (
        AccountRegistered(account_id=account, email="gone@example.com"),
        AccountDeleted(account_id=account),
    ):
        await notifier.receive(event(gone))
    await notifier.receive(event(AccountRegistered(account_id=account, email="gone@example.com")))
    await notifier.receive(event(BalanceExhausted(account_id=account)))
    for table in ("mails", "addressees", "inbox", "outbox", "forgotten_accounts"):
        rows = await pool.fetch(f"SELECT * FROM {table}")  # noqa: S608
        assert "gone@example.com" not in repr([dict(row) for row in rows])
    assert not await notifier.deliver()


async def test_a_refused_mail_can_be_asked_for_again(notifier: Notifier) -> None:
    await registered(notifier)
    notifier.mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
    await notifier.receive(exhausted())
    assert await notifier.deliver()
    notifier.now += timedelta(days=3)
    mails = seen(notifier)
    [refused] = await mails.ended_badly()
    assert (refused.state, refused.last_reply, refused.attempts) == ("refused", "550", 1)
    await mails.resend(UUID(refused.mail_id))
    notifier.mailbox.replies_to_rcpt.append("451 4.7.1 later")
    assert await notifier.deliver()
    assert not await notifier.deliver()
    notifier.now += timedelta(seconds=40)  # the first pause again
    assert await notifier.deliver()
    [mail] = await mails.of_account(ACCOUNT)
    assert (mail.state, mail.attempts, mail.last_reply) == ("sent", 3, None)
    with pytest.raises(NothingToSend):
        await mails.resend(UUID(refused.mail_id))


async def test_a_mail_of_a_forgotten_person_and_an_unknown_one_cannot_be_sent_again(
    notifier: Notifier,
) -> None:
    notifier.mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    await notifier.receive(event(AccountDeleted(account_id=str(issued.envelope.subject))))
    with pytest.raises(NothingToSend):
        await seen(notifier).resend(issued.envelope.id)
    with pytest.raises(UnknownMail):
        await seen(notifier).resend(UUID(int=0))


async def test_mails_that_ended_long_ago_are_forgotten_and_owed_ones_never(notifier: Notifier) -> None:
    await registered(notifier)
    await notifier.receive(exhausted())
    assert await notifier.deliver()
    await notifier.receive(exhausted())
    notifier.now += KEEP + timedelta(seconds=1)
    assert await seen(notifier).prune() == 1
    assert await notifier.count() == 1


def test_no_letter_is_without_its_two_parts() -> None:
    templates = Path(__file__).parents[1] / "templates"
    texts, pages = ({path.stem for path in templates.glob(f"*.{kind}")} for kind in ("txt", "html"))
    assert pages - texts == {"layout"}
    assert texts <= pages
