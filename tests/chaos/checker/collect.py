"""Gathers the facts from everything that keeps something. Reads, and changes nothing."""

import email
import email.policy
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from shared.admission.inspected import Inspected
from shared.admission.inspection import inspect
from shared.ids import AccountId
from shared.redis_client import open_redis
from tests.chaos.checker import ledger_rows as ledger
from tests.chaos.checker.facts import Facts, Mail
from tests.chaos.checker.providers import hooks_taken, truths
from tests.chaos.history import History
from tests.chaos.quiet import find_waiting
from tests.chaos.specs import GATEWAYS
from tests.chaos.system import Chaos
from tests.chaos.watching import Watched

MESSAGE_ID = re.compile(r"<([0-9a-f-]{36})@")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the harness knows of a run that lies in no store."""

    history: History
    accounts: Sequence[str]
    balances: Watched
    spares_gateways: bool


async def collect(chaos: Chaos, seen: Seen) -> Facts:
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await collect_on(connection, chaos, seen)
    finally:
        await connection.close()


async def collect_on(connection: Any, chaos: Chaos, seen: Seen) -> Facts:
    """The ledger as this connection sees it."""
    accounts, history = seen.accounts, seen.history
    accepted = accepted_mails(chaos.mail_server.folder)
    return Facts(
        asked=tuple(history.asked),
        revoked=tuple(history.revoked),
        tried=tuple(history.tried),
        registered=tuple(history.registered),
        ordered=tuple(history.ordered),
        changed=tuple(history.changed),
        faults=tuple(history.faults),
        generations=tuple(chaos.upstream_log.generations(frozenset(accounts))),
        usage=await ledger.read_usage(connection, accounts),
        entries=await ledger.read_entries(connection, accounts),
        grants=await ledger.read_grants(connection, accounts),
        books=await ledger.read_books(connection, accounts),
        in_redis=await read_redis(chaos, accounts),
        lowest=dict(seen.balances.lowest),
        uncovered=tuple(seen.balances.uncovered),
        orders=await ledger.read_orders(connection, accounts),
        at_provider=truths(chaos.fakes),
        hooks_taken=hooks_taken(chaos.fakes),
        hooks_kept=await ledger.read_hooks(connection),
        emails=await ledger.read_emails(connection),
        adjustments=await ledger.read_adjustments(connection),
        tidings=await ledger.read_tidings(connection),
        mails=_mails(await ledger.read_mails(connection), accepted),
        mails_again=count_again(accepted) - chaos.mails_again_seen,
        mails_may_be_refused=chaos.mail_server.refused_for_good,
        waiting=await find_waiting(chaos),
        changed_rows=changed_rows(chaos.rows_seen, await ledger.read_digests(connection)),
        trespasses=(*await ledger.list_trespasses(connection), *gateways_with_a_database(chaos)),
        spares_gateways=seen.spares_gateways,
    )


async def remember_rows(chaos: Chaos) -> None:
    """For the next verdict: a row of the ledger never changes and never goes."""
    chaos.mails_again_seen = count_again(accepted_mails(chaos.mail_server.folder))
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        chaos.rows_seen = await ledger.read_digests(connection)
    finally:
        await connection.close()


async def read_redis(chaos: Chaos, accounts: Sequence[str]) -> dict[AccountId, Inspected]:
    redis = open_redis(chaos.backing.redis)
    try:
        return await inspect(redis, [AccountId(each) for each in accounts])
    finally:
        await redis.aclose()


def accepted_mails(folder: Path) -> Counter[str]:
    """By the event that asked for it, which is its Message-ID for ever."""
    found: Counter[str] = Counter()
    for path in folder.glob("[!.]*.eml"):
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        found.update(MESSAGE_ID.findall(str(message["Message-ID"])))
    return found


def count_again(accepted: Counter[str]) -> int:
    return sum(many - 1 for many in accepted.values())


def _mails(owed: Iterable[tuple[str, str, str]], accepted: Counter[str]) -> tuple[Mail, ...]:
    return tuple(Mail(event_id, kind, state, accepted[event_id]) for event_id, kind, state in owed)


def changed_rows(before: Mapping[int, str], after: Mapping[int, str]) -> tuple[str, ...]:
    changed = [entry_id for entry_id, digest in before.items() if after.get(entry_id) != digest]
    return tuple(f"entry {entry_id} is not what it was" for entry_id in changed)


def gateways_with_a_database(chaos: Chaos) -> list[str]:
    running = [name for name in GATEWAYS if Path(f"/proc/{chaos.pid(name)}/environ").exists()]
    return [
        f"{name} knows the database"
        for name in running
        if b"postgresql://" in Path(f"/proc/{chaos.pid(name)}/environ").read_bytes()
    ]
