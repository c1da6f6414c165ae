"""`python -m services.notifier` delivers mails; with `migrate` it prepares its schema, with `mail-test ADDRESS` it
sends one mail over the relay as it is set."""

import asyncio
import sys

from services.notifier.app import MIGRATIONS, SERVICE, build_app, letterhead_of, mailer_of
from services.notifier.entrypoints.mail_test import mail_test
from services.notifier.settings import NotifierSettings
from shared import logging
from shared.process import main
from shared.settings import load


def send_test_mail(recipient: str) -> int:
    settings = load(NotifierSettings)
    logging.configure(SERVICE, "error")
    way_out = (
        f"{settings.smtp_host}:{settings.smtp_port}, TLS {settings.tls.value}"
        if settings.smtp_host
        else f"files in {settings.mail_dir} (SMTP_HOST is not set)"
    )
    test = mail_test(
        mailer_of(settings),
        letterhead_of(settings),
        recipient,
        site_name=settings.site_name,
        way_out=way_out,
    )
    return asyncio.run(test)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["mail-test", recipient]:
            sys.exit(send_test_mail(recipient))
        case _:
            main(SERVICE, NotifierSettings, build_app, MIGRATIONS)
