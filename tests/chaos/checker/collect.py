"""Gathers the facts from everything that keeps something. Reads, and changes nothing."""

import email
import email.policy
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

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

MESSAGE_ID = re.compile(r"<([0-9a-f-]{36})@")


async def collect(
    chaos: Chaos,
    history: History,
    accounts: Sequence[str],
    lowest: Mapping[str, int],
    *,
    spares_gateways: bool,
    mails_may_be_refused: int = 0,
) -> Facts:
    waiting = await find_waiting(chaos)
    connection = await asyncpg.connect(chaos.backing.postgres)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
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
                lowest=dict(lowest),
                orders=await ledger.read_orders(connection, accounts),
                at_provider=truths(chaos.fakes),
                hooks_taken=hooks_taken(chaos.fakes),
                hooks_kept=await ledger.read_hooks(connection),
                emails=await ledger.read_emails(connection),
                adjustments=await ledger.read_adjustments(connection),
                keys_issued=await ledger.read_keys_issued(connection),
                mails=_mails(await ledger.read_mails(connection), accepted_mails(chaos.mail_server.folder)),
                mails_may_be_refused=mails_may_be_refused,
                waiting=waiting,
                changed_rows=compare_rows(chaos, await ledger.read_digests(connection)),
                trespasses=(*await ledger.list_trespasses(connection), *gateways_with_a_database(chaos)),
                spares_gateways=spares_gateways,
            )
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


def _mails(owed: Iterable[tuple[str, str, str]], accepted: Counter[str]) -> tuple[Mail, ...]:
    return tuple(Mail(event_id, kind, state, accepted[event_id]) for event_id, kind, state in owed)


def compare_rows(chaos: Chaos, digests: Mapping[int, str]) -> tuple[str, ...]:
    """With what the verdicts before this one saw: a row of the ledger never changes and never goes."""
    seen, chaos.rows_seen = chaos.rows_seen, dict(digests)
    changed = [entry_id for entry_id, digest in seen.items() if digests.get(entry_id) != digest]
    return tuple(f"entry {entry_id} is not what it was" for entry_id in changed)


def gateways_with_a_database(chaos: Chaos) -> list[str]:
    running = [name for name in GATEWAYS if Path(f"/proc/{chaos.pid(name)}/environ").exists()]
    return [
        f"{name} knows the database"
        for name in running
        if b"postgresql://" in Path(f"/proc/{chaos.pid(name)}/environ").read_bytes()
    ]
