"""Reads the address a person typed: an exact, mailable address, or what is wrong with it."""

from dataclasses import dataclass

import email_validator
from email_validator import EmailNotValidError, validate_email

email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in ("invalid", "test")
]
"""RFC 6761 keeps these two for trials of software; here they may register like anybody."""


@dataclass(frozen=True, slots=True)
class Address:
    """Its domain is lower-case ASCII (IDNA); the part before the @ is as typed."""

    email: str


@dataclass(frozen=True, slots=True)
class NotAnAddress:
    reason: str


def read_address(typed: str) -> Address | NotAnAddress:
    """Names before the @ must be ASCII: few mail servers take others."""
    try:
        valid = validate_email(typed.strip(), check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        return NotAnAddress(str(error))
    return Address(f"{valid.local_part}@{valid.ascii_domain}")
