"""An answer that does not say what it should is no answer: one odd object stops one order, not the worker."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.billing.domain.checkouts import ProviderFailing

log = structlog.get_logger()


@contextmanager
def unreadable_is_failing(provider: str) -> Iterator[None]:
    """Around the reading of an answer. A status or a field that did not exist when this was written ends here."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        log.error("provider_unreadable", provider=provider, error=repr(error))
        raise ProviderFailing(f"{provider} does not answer as it should. Nothing was charged.") from error
