"""`python -m services.billing` serves; `... migrate` prepares its schema; `... reconcile` compares everything now."""

import sys

from services.billing.app import MIGRATIONS, SERVICE, build_app
from services.billing.entrypoints import reconcile_command
from services.billing.settings import BillingSettings
from shared.process import main

if __name__ == "__main__":
    if sys.argv[1:] == ["reconcile"]:
        sys.exit(reconcile_command.main())
    main(SERVICE, BillingSettings, build_app, MIGRATIONS)
