"""Who asks: what is known of a request before its body is looked at."""

from dataclasses import dataclass, field

from services.gateway.use_cases.measure import Stopwatch
from shared.admission.decisions import RateState
from shared.contracts.gateway import Outcome
from shared.ids import AccountId, KeyDigest, RequestId


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A well-formed key: whose it says it is, and the digest that proves it."""

    account_id: AccountId
    digest: KeyDigest


@dataclass(slots=True)
class Caller:
    """`key` is None when there is none or it is malformed. `rate` is filled in once it is known, `outcome` when
    an answer had begun, or its client left."""

    request_id: RequestId
    ip_subject: str
    key: KeyClaim | None
    rate: RateState | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    outcome: Outcome | None = None
