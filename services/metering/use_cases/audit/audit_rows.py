"""I17: entries that were noted are as they were; those that are new and complete are noted.

Also that the running service could not change them if it wanted to.
"""

from services.metering.adapters import audit_notes_postgres as notes
from services.metering.domain.audit.findings import Check, Finding, Report
from services.metering.domain.audit.rows import Noted, broken_chain, chained, changed_entries
from shared.postgres import Connection, Pool

NOTES_AT_ONCE = 20


async def audit_rows(pool: Pool, report: Report, horizon: notes.Horizon) -> None:
    """`horizon`: read a while ago, so that what was being written then is written by now."""
    for name, privilege in await notes.list_excess_rights(pool):
        text = f"the running service may {privilege} it"
        report.found([Finding(Check.ROWS, f"table {name}", text)])
    await _compare(pool, report)
    await _note(pool, report, horizon)


async def _compare(pool: Pool, report: Report) -> None:
    after, chain = 0, ""
    while noted := await notes.list_notes(pool, after=after, limit=NOTES_AT_ONCE):
        report.found(broken_chain(chain, noted))
        unlike = await notes.list_unlike_notes(pool, first_id=noted[0].first_id, last_id=noted[-1].last_id)
        report.found(changed_entries(unlike))
        report.examined(Check.ROWS, sum(len(each.digests) for each in noted))
        after, chain = noted[-1].first_id, noted[-1].chain


async def _note(pool: Pool, report: Report, horizon: notes.Horizon) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await notes.lock_notes(connection)
        last_id, chain = await notes.find_last_note(connection)
        if await notes.is_reached(connection, horizon):
            last_id, chain = await _note_up_to(connection, horizon.entry_id, last_id, chain)
    report.note(Check.ROWS, f"noted up to entry {last_id}, chain {chain[:16] or '-'}")


async def _note_up_to(connection: Connection, end_id: int, last_id: int, chain: str) -> tuple[int, str]:
    while found := await notes.list_digests(connection, after=last_id, last_id=end_id):
        digests = tuple(digest for _, digest in found)
        first_id, last_id = last_id + 1, found[-1][0]
        chain = chained(chain, first_id, last_id, digests)
        await notes.add_note(
            connection, Noted(first_id, last_id, digests, chain), [entry_id for entry_id, _ in found]
        )
    return last_id, chain
