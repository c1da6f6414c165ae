"""The shape of an API key: `sk-` + handle (8) + random (30) + checksum (6), all base62.

The checksum is CRC32 over everything before it, so that a mistyped key is refused without I/O; it is
no security feature. A key is stored only as HMAC-SHA256 under the pepper: 178 random bits need no slow
hash, and the pepper makes a stolen table useless for confirming guesses.
"""

import hmac
import secrets
import string
from dataclasses import dataclass
from zlib import crc32

from shared.ids import AccountId, KeyDigest

PREFIX = "sk-"
HANDLE_LENGTH = 8
RANDOM_LENGTH = 30
CHECKSUM_LENGTH = 6
KEY_LENGTH = len(PREFIX) + HANDLE_LENGTH + RANDOM_LENGTH + CHECKSUM_LENGTH
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE62 = frozenset(ALPHABET)


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """A well-formed key: it may exist. Never logged; `repr` hides it."""

    text: str
    account_id: AccountId

    def __repr__(self) -> str:
        return f"ParsedKey(account_id={self.account_id!r})"


def new_account_id() -> AccountId:
    return AccountId(_random_base62(HANDLE_LENGTH))


def new_api_key(account_id: AccountId) -> str:
    body = PREFIX + account_id + _random_base62(RANDOM_LENGTH)
    return body + checksum_of(body)


def parse_api_key(text: str) -> ParsedKey | None:
    """The key's parts, or None when its shape or checksum is wrong."""
    if len(text) != KEY_LENGTH or not text.startswith(PREFIX):
        return None
    if not _BASE62.issuperset(text[len(PREFIX) :]):
        return None
    body, checksum = text[:-CHECKSUM_LENGTH], text[-CHECKSUM_LENGTH:]
    if checksum_of(body) != checksum:
        return None
    return ParsedKey(text, AccountId(text[len(PREFIX) : len(PREFIX) + HANDLE_LENGTH]))


def checksum_of(body: str) -> str:
    """Six base62 digits of CRC32 over `body`."""
    value, digits = crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        value, digit = divmod(value, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def digest_of(key: str, pepper: bytes) -> KeyDigest:
    return KeyDigest(hmac.digest(pepper, key.encode(), "sha256").hex())


def display_of(key: str) -> str:
    """What may be shown and stored of a key: its first 12 and last 4 characters."""
    return f"{key[:12]}…{key[-4:]}"


def _random_base62(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
