"""`python -m services.metering audit`: one audit of the running system, printed as a table; the exit code says
whether all is well (0), something differs (1), or not all could be looked at (2)."""

import sys
import time
from contextlib import AbstractAsyncContextManager

from services.metering.domain.audit.table import NOT_ALL_CHECKED, as_table, exit_code
from services.metering.use_cases.audit.run_audit import Patience, Sources, run_audit
from shared.migrations import SchemaMismatch
from shared.postgres import POSTGRES_ERRORS, DatabaseMissing

FIRST_SIGN_SECONDS = 2.0


class Progress:
    """Says how far it is, once it takes a while, and then every few seconds."""

    def __init__(self) -> None:
        self._next_sign_at = time.monotonic() + FIRST_SIGN_SECONDS

    def __call__(self, accounts: int) -> None:
        if time.monotonic() >= self._next_sign_at:
            self._next_sign_at = time.monotonic() + FIRST_SIGN_SECONDS
            sys.stderr.write(f"  ... {accounts:,} accounts looked at\n")
            sys.stderr.flush()


async def audit(sources: AbstractAsyncContextManager[Sources], patience: Patience) -> int:
    began = time.monotonic()
    try:
        async with sources as opened:
            report = await run_audit(opened, Progress(), patience)
    except (DatabaseMissing, SchemaMismatch, *POSTGRES_ERRORS) as error:
        sys.stderr.write(f"The audit was not finished: {error}\n")
        return NOT_ALL_CHECKED
    sys.stdout.write(f"{as_table(report)} {time.monotonic() - began:.1f} s.\n")
    return exit_code(report)
