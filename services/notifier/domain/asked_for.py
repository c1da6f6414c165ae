"""Which mail an event asks for, and what it will say."""

from dataclasses import dataclass, field
from uuid import UUID

from services.notifier.domain.mail import Facts, Mail, MailKind
from shared.contracts.accounts import KeyIssued, RecoveryRequested
from shared.contracts.billing import PurchaseCompleted, PurchaseReversed
from shared.contracts.metering import BalanceExhausted, BalanceLow, TrialEnding
from shared.ids import AccountId

KIND_OF_REASON = {
    "registered": MailKind.KEY_REGISTERED,
    "replaced": MailKind.KEY_REPLACED,
    "recovered": MailKind.KEY_RECOVERED,
}
METHODS = {"stripe": "card", "btcpay": "Bitcoin"}

Notice = PurchaseCompleted | PurchaseReversed | BalanceLow | BalanceExhausted | TrialEnding
"""Events that name an account only: their mails go to its stored address."""
Secret = KeyIssued | RecoveryRequested
"""Events that bring the address along, and something sealed."""


@dataclass(frozen=True, slots=True)
class AskedFor:
    """`address` is None where the stored one is meant."""

    mail: Mail
    address: str | None = field(default=None, repr=False)


def asked_for_by(event: Secret | Notice, event_id: UUID) -> AskedFor:
    account_id = AccountId(event.account_id)
    match event:
        case KeyIssued():
            kind = KIND_OF_REASON[event.reason]
            return AskedFor(Mail(event_id, account_id, kind, {}, event.sealed_key), event.email)
        case RecoveryRequested():
            facts = {"expires_at": event.expires_at.isoformat()}
            mail = Mail(event_id, account_id, MailKind.RECOVERY_LINK, facts, event.sealed_link)
            return AskedFor(mail, event.email)
        case _:
            kind, facts_of_notice = _notice(event)
            return AskedFor(Mail(event_id, account_id, kind, facts_of_notice))


def _notice(event: Notice) -> tuple[MailKind, Facts]:
    match event:
        case PurchaseCompleted():
            return MailKind.PURCHASE_COMPLETED, {
                "pack": event.pack,
                "tokens": event.tokens,
                "amount": amount_text(event.amount_cents, event.currency),
                "method": METHODS[event.method],
                "receipt_number": event.receipt_number,
            }
        case PurchaseReversed():
            return MailKind.PURCHASE_REVERSED, {"tokens": event.tokens, "reason": event.reason}
        case BalanceLow():
            return MailKind.BALANCE_LOW, {
                "tokens": event.tokens_available,
                "threshold": event.tokens_threshold,
            }
        case BalanceExhausted():
            return MailKind.BALANCE_EXHAUSTED, {}
        case TrialEnding():
            return MailKind.TRIAL_ENDING, {
                "tokens": event.tokens_left,
                "expires_at": event.expires_at.isoformat(),
            }


def amount_text(amount_cents: int, currency: str) -> str:
    """Packs are priced in currencies of two decimals: 50, usd → 0.50 USD."""
    return f"{amount_cents // 100}.{amount_cents % 100:02d} {currency.upper()}"
