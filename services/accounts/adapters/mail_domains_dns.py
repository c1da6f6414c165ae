"""Does a domain take mail? Asked of DNS: an MX record, or an address to fall back to, and no word that it takes none."""

import asyncio

import structlog
from dns.resolver import NXDOMAIN, NoAnswer, Resolver
from email_validator import EmailUndeliverableError, caching_resolver, validate_email

LOOKUP_SECONDS_MAX = 3
"""A DNS that fails, or does not answer in time, refuses nobody."""
SAID_BY_DNS = (NXDOMAIN, NoAnswer)
NEVER_IN_DNS = (".invalid", ".test")
"""Reserved by RFC 6761; here they may register."""

log = structlog.get_logger()


class MailDomains:
    def __init__(self, resolver: Resolver | None = None) -> None:
        self._resolver = resolver or caching_resolver(timeout=LOOKUP_SECONDS_MAX)

    async def refusal(self, email: str) -> str | None:
        """Why no mail can reach this valid address; None when it may."""
        if email.endswith(NEVER_IN_DNS):
            return None
        return await asyncio.to_thread(self._ask, email)

    def _ask(self, email: str) -> str | None:
        try:
            validate_email(email, check_deliverability=True, dns_resolver=self._resolver)
        except EmailUndeliverableError as error:
            if error.__cause__ is None or isinstance(error.__cause__, SAID_BY_DNS):
                return str(error)
            log.warning("deliverability_not_known", reason=type(error.__cause__).__name__)
        return None
