"""Loaded by a gateway of the benchmark before anything else: takes out the one thing that PROMPTLY_BENCH_WITHOUT names,
so that its price can be told (prices.py). Nothing but the benchmark puts this folder on a path."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))
ENDLESS_SECONDS = 1e6
PLENTY = 10**6


def _reserve_nothing() -> None:
    from services.gateway.use_cases import open_request
    from shared.admission import desk
    from shared.admission.decisions import Admitted, HoldRequest, RateState
    from shared.ids import KeyId

    async def admit(_: Any, request: HoldRequest, **__: Any) -> Admitted:
        rate, now = RateState(PLENTY, PLENTY, 1.0), datetime.now(UTC)
        return Admitted(request.account_id, KeyId("none"), PLENTY, request.tokens_completion, rate, now)

    _put(desk.AdmissionDesk, admit=admit)
    _put(open_request.OpenRequests, checkpoints=lambda _: [])  # they would be told that they hold nothing
    _settle_nothing()


def _settle_nothing() -> None:
    from shared.admission import desk
    from shared.admission.decisions import Settled
    from shared.contracts.gateway import UsageRecord

    async def settle(_: Any, __: Any, record: UsageRecord, **___: Any) -> Settled:
        return Settled(record.tokens)

    _put(desk.AdmissionDesk, settle=settle)


def _publish_nothing() -> None:
    from services.gateway.use_cases import publish_usage

    async def run(_: Any) -> None:
        await asyncio.sleep(ENDLESS_SECONDS)

    _put(publish_usage.UsageRelay, run=run)


def _log_nothing() -> None:
    from shared import request_lines

    _put(request_lines.RequestLines, add=lambda *_: None)


def _count_nothing() -> None:
    from shared import durations, tallies

    _put(durations.Series, observe=lambda *_: None)
    _put(tallies.Tally, add=lambda *_: None)


def _check_nothing() -> None:
    from services.gateway.domain import chat_request
    from services.gateway.domain.counts import Counts
    from services.gateway.domain.generation import UpstreamCall, WholeAnswer

    class Unread:
        stream, ignored_fields, tokens_prompt_bound, tokens_completion = False, (), 700, 64

        def __init__(self, body: bytes, _: Any) -> None:
            self._body = body

        def upstream_call(self, _: int) -> UpstreamCall:
            return UpstreamCall(chat_request.PATH, self._body, chat_request.PROMPT_FIELD)

        def answer_stream(self, _: Any) -> None:
            return None

        def read_whole(self, body: bytes, _: Any) -> WholeAnswer:
            return WholeAnswer(body, Counts(22, 33, 0, estimated=False), "unread")

    _put(chat_request, parse_chat_request=Unread)


def _put(owner: Any, **instead: Any) -> None:
    for name, value in instead.items():
        setattr(owner, name, value)


WITHOUT: dict[str, Callable[[], None]] = {
    "reserve": _reserve_nothing,
    "settle": _settle_nothing,
    "publish": _publish_nothing,
    "log": _log_nothing,
    "count": _count_nothing,
    "check": _check_nothing,
}

if name := os.environ.get("PROMPTLY_BENCH_WITHOUT"):
    WITHOUT[name]()
