"""`python -m services.metering` serves; with `migrate` it applies the migrations, with `audit` it checks the books of
the running system once."""

import asyncio
import sys

from services.metering.app import MIGRATIONS, SERVICE, audit_sources, build_app
from services.metering.entrypoints.audit import audit
from services.metering.settings import Settings
from services.metering.use_cases.audit.run_audit import Patience
from shared import logging
from shared.process import main
from shared.settings import load

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["audit"]:
            logging.configure(SERVICE, "critical")
            sys.exit(asyncio.run(audit(audit_sources(load(Settings)), Patience())))
        case _:
            main(SERVICE, Settings, build_app, MIGRATIONS)
