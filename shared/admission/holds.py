"""A hold as Redis keeps it, and the record that stands for it when its gateway is never heard of again."""

from dataclasses import dataclass

from shared.admission.decisions import CallKind
from shared.admission.replies import instant_of
from shared.contracts.gateway import REVISION_SWEPT, Outcome, UsageRecord
from shared.ids import AccountId, KeyId, RequestId


@dataclass(frozen=True, slots=True)
class Hold:
    """`tokens_prompt` and `tokens_completion` are those of the last checkpoint."""

    tokens: int
    admitted_at_ms: int
    heartbeat_at_ms: int
    tokens_prompt: int
    tokens_completion: int
    kind: CallKind
    key_id: KeyId
    endpoint: str
    model: str


def packed_rest(kind: CallKind, key_id: KeyId, endpoint: str, model: str) -> str:
    """The part of a hold that the scripts keep as it is, as prelude.lua has it."""
    return f"{kind}|{key_id}|{endpoint}|{model}"


def hold_of(packed: bytes) -> Hold:
    """Reads what prelude.lua packs; the model comes last and may contain anything."""
    *numbers, kind, key_id, endpoint, model = packed.decode().split("|", 8)
    tokens, admitted_at_ms, heartbeat_at_ms, prompt, completion = map(int, numbers)
    return Hold(
        tokens,
        admitted_at_ms,
        heartbeat_at_ms,
        prompt,
        completion,
        CallKind(kind),
        KeyId(key_id),
        endpoint,
        model,
    )


def lost_record(account_id: AccountId, request_id: RequestId, hold: Hold) -> UsageRecord:
    """A whole answer was not delivered, so it costs nothing; of a stream, the last checkpoint counts."""
    delivered = hold.kind is CallKind.STREAM
    tokens_prompt = min(hold.tokens_prompt, hold.tokens) if delivered else 0
    tokens_completion = min(hold.tokens_completion, hold.tokens - tokens_prompt) if delivered else 0
    return UsageRecord.model_validate(
        {
            "request_id": request_id,
            "account_id": account_id,
            "key_id": hold.key_id,
            "endpoint": hold.endpoint,
            "model": hold.model,
            "tokens_prompt": tokens_prompt,
            "tokens_completion": tokens_completion,
            "outcome": Outcome.LOST,
            "estimated": True,
            "revision": REVISION_SWEPT,
            "admitted_at": instant_of(hold.admitted_at_ms),
            "ended_at": instant_of(hold.heartbeat_at_ms),
        }
    )
