"""`python -m services.notifier` delivers mails; `python -m services.notifier migrate` prepares its schema."""

from services.notifier.app import MIGRATIONS, SERVICE, build_app
from services.notifier.settings import NotifierSettings
from shared.process import main

if __name__ == "__main__":
    main(SERVICE, NotifierSettings, build_app, MIGRATIONS)
