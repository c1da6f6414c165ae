"""`python -m services.billing` serves; `python -m services.billing migrate` prepares its schema."""

from services.billing.app import MIGRATIONS, SERVICE, build_app
from services.billing.settings import BillingSettings
from shared.process import main

if __name__ == "__main__":
    main(SERVICE, BillingSettings, build_app, MIGRATIONS)
