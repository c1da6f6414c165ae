"""`python -m services.metering` serves; with `migrate` it applies the migrations, with `audit` it checks the books of
the running system once, with `give-up-batches` it waits no longer for usage that the broker has lost."""

import asyncio
import gc
import sys

from services.metering.app import MIGRATIONS, SERVICE, audit_sources, build_app, give_up_missing
from services.metering.entrypoints.audit import audit
from services.metering.settings import MeteringSettings
from services.metering.use_cases.audit.run_audit import Patience
from shared import logging
from shared.process import main
from shared.settings import load

OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""A batch of usage makes some ten thousand objects and drops them together. The collector's default, a look at the
young every 700 and at all of them now and then, took a third of the time of posting."""

if __name__ == "__main__":
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 50, 100)
    match sys.argv[1:]:
        case ["audit"]:
            logging.configure(SERVICE, "critical")
            sys.exit(asyncio.run(audit(audit_sources(load(MeteringSettings)), Patience())))
        case ["give-up-batches"]:
            for gap in asyncio.run(give_up_missing(load(MeteringSettings))):
                sys.stdout.write(f"{gap.gateway}: batches {gap.gap_from} to {gap.gap_through} given up\n")
        case _:
            main(SERVICE, MeteringSettings, build_app, MIGRATIONS)
