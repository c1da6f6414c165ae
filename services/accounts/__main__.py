"""`python -m services.accounts` serves people; `python -m services.accounts migrate` prepares its schema."""

from services.accounts.app import MIGRATIONS, SERVICE, build_app
from services.accounts.settings import AccountsSettings
from shared.process import main

if __name__ == "__main__":
    main(SERVICE, AccountsSettings, build_app, MIGRATIONS)
