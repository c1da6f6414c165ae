"""The admission desk: who may run now, for how many tokens, and what it came to in the end.

Each verb is one script (all of it or nothing) and one round trip. Nothing is sent again by itself: a lost
reply may hide a script that ran, and who repeats does so with the same request id.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from redis.asyncio import Redis

from shared.admission.balances import BalanceView, view_of
from shared.admission.checkpoints import checkpoint_calls, checkpoint_reply
from shared.admission.decisions import (
    Admitted,
    AlreadySettled,
    Authenticated,
    Checkpoint,
    CheckpointReply,
    Decision,
    HoldRequest,
    RateState,
    Refused,
    Settled,
    Unknown,
)
from shared.admission.entries import written_of
from shared.admission.keys import ip_window_of, keys_of
from shared.admission.lua import Call, scripts_of
from shared.admission.replies import (
    authentication_of,
    decision_of,
    ip_rate_of,
    ip_refusal_of,
    key_rate_of,
)
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, KeyDigest, RequestId

WINDOW_MS = 60_000
"""Rate limits are per minute."""
REMEMBER_MS = 3_600_000
"""How long the end of a request is remembered: longer than any repeat; the ledger remembers for good."""

Answer = TypeVar("Answer", Decision, Authenticated | Refused | Unknown)


class AdmissionDesk:
    """`window_ms` is the length of the rate limits' window."""

    def __init__(self, redis: Redis, *, window_ms: int = WINDOW_MS) -> None:
        self._run = scripts_of(redis).run
        self._window_ms = window_ms

    async def admit(self, request: HoldRequest, *, ip_subject: str, ip_limit: int) -> Decision:
        """The address's limit and the admission in one round trip; the address refuses first."""
        ip_reply, reply = await self._run(
            self._ip_call(request.request_id, ip_subject, ip_limit), self._admit_call(request)
        )
        decision = decision_of(reply, request.account_id)
        refused = ip_refusal_of(ip_reply)
        if refused is None:
            return _told(decision, ip_rate_of(ip_reply))
        if isinstance(decision, Admitted):
            await self.release_refused(request.account_id, request.request_id, request.digest)
        return refused

    async def admit_again(self, request: HoldRequest) -> Decision:
        """After a refill, an exact count, or a wait: the address has been counted already."""
        [reply] = await self._run(self._admit_call(request))
        return decision_of(reply, request.account_id)

    async def admit_address(
        self, request_id: RequestId, *, ip_subject: str, ip_limit: int
    ) -> RateState | Refused:
        """All that a request without a well-formed key sees: the rate of its address."""
        [reply] = await self._run(self._ip_call(request_id, ip_subject, ip_limit))
        return ip_refusal_of(reply) or ip_rate_of(reply)

    async def look(
        self,
        request_id: RequestId,
        digest: KeyDigest,
        account_id: AccountId,
        *,
        ip_subject: str,
        ip_limit: int,
    ) -> RateState | Refused:
        """For what is refused whoever asks: counts for the address and not for the key, whose rate it tells;
        the address's where the key is not known."""
        names = keys_of(account_id)
        keys = [names.key(digest), names.rate(digest)]
        ip_reply, reply = await self._run(
            self._ip_call(request_id, ip_subject, ip_limit),
            Call("look", keys, [account_id, request_id, self._window_ms]),
        )
        return ip_refusal_of(ip_reply) or key_rate_of(reply) or ip_rate_of(ip_reply)

    async def authenticate(
        self,
        request_id: RequestId,
        digest: KeyDigest,
        account_id: AccountId,
        *,
        ip_subject: str,
        ip_limit: int,
    ) -> Authenticated | Refused | Unknown:
        """Key and limits without a hold, for what costs no tokens. Counts as a request of the key."""
        ip_reply, reply = await self._run(
            self._ip_call(request_id, ip_subject, ip_limit),
            self._authenticate_call(request_id, digest, account_id),
        )
        answer = authentication_of(reply, account_id)
        refused = ip_refusal_of(ip_reply)
        if refused is None:
            return _told(answer, ip_rate_of(ip_reply))
        if isinstance(answer, Authenticated):
            await self.release_refused(account_id, request_id, digest)
        return refused

    async def settle(
        self, account_id: AccountId, record: UsageRecord, *, tokens_held: int, written: bytes | None = None
    ) -> Settled | AlreadySettled:
        """Ends the hold, if it is still there, with `record` as the charge and the entry to publish, as it is `written`
        where somebody has done that already.

        Raises ValueError when the record charges more than was held: the caller clamps.
        """
        if record.tokens > tokens_held:
            raise ValueError(f"{record.tokens} tokens charged, {tokens_held} held")
        [tokens] = await self._run(_settle_call(account_id, record, written or written_of(record)))
        return AlreadySettled() if tokens is None else Settled(tokens)

    async def settle_again(self, records: Sequence[UsageRecord]) -> None:
        """What was settled before, for a Redis that may have lost it. One round trip; what it knows stays."""
        await self._run(
            *(_settle_call(AccountId(record.account_id), record, written_of(record)) for record in records)
        )

    async def release(self, account_id: AccountId, request_id: RequestId) -> None:
        """Ends a hold with no charge and no usage record. The request still counts for the rate."""
        await self._run(_release_call(account_id, request_id))

    async def release_refused(self, account_id: AccountId, request_id: RequestId, digest: KeyDigest) -> None:
        """Like `release`, and gives back the request's place in the rate window."""
        names = keys_of(account_id)
        await self._run(_release_call(account_id, request_id, names.rate(digest)))

    async def checkpoint(self, entries: Sequence[Checkpoint]) -> CheckpointReply:
        """Heartbeats and counts of all open requests at once. Brings back the holds that Redis has lost, as
        long as their account is not open again."""
        calls = list(checkpoint_calls(entries))
        replies = await self._run(*calls) if calls else []
        return checkpoint_reply(calls, replies)

    async def balance(self, account_id: AccountId) -> BalanceView | None:
        """None when Redis does not know the account (any more), or it is closed after a loss."""
        [reply] = await self._run(Call("balance", [keys_of(account_id).account]))
        if reply is None:
            return None
        now_ms, flat = reply
        return view_of(dict(zip(flat[::2], flat[1::2], strict=True)), now_ms)

    def _ip_call(self, request_id: RequestId, ip_subject: str, ip_limit: int) -> Call:
        return Call("limit_ip", [ip_window_of(ip_subject)], [request_id, ip_limit, self._window_ms])

    def _authenticate_call(self, request_id: RequestId, digest: KeyDigest, account_id: AccountId) -> Call:
        names = keys_of(account_id)
        keys = [names.key(digest), names.rate(digest)]
        return Call("authenticate", keys, [account_id, request_id, self._window_ms])

    def _admit_call(self, request: HoldRequest) -> Call:
        names = keys_of(request.account_id)
        return Call(
            "admit",
            [
                *names.hold(request.request_id),
                names.key(request.digest),
                names.rate(request.digest),
            ],
            [
                request.account_id,
                request.request_id,
                self._window_ms,
                request.endpoint,
                request.model,
                request.kind,
                request.tokens_prompt,
                request.prompt_count,
                request.tokens_completion,
            ],
        )


def _told(decision: Answer, address: RateState) -> Answer:
    """Who has no key that is known is told the rate of the address."""
    return decision if decision.rate else replace(decision, rate=address)


def _settle_call(account_id: AccountId, record: UsageRecord, written: bytes) -> Call:
    request_id = RequestId(str(record.request_id))
    keys = keys_of(account_id).settlement(request_id)
    return Call(
        "settle", keys, [account_id, request_id, record.revision, record.tokens, written, REMEMBER_MS]
    )


def _release_call(account_id: AccountId, request_id: RequestId, *rate: str) -> Call:
    keys = [*keys_of(account_id).hold(request_id), *rate]
    return Call("release", keys, [account_id, request_id, REMEMBER_MS])
