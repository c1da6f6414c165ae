"""A secret on the bus is sealed to its one reader: NaCl sealed boxes (X25519, XSalsa20-Poly1305).

accounts seals a new API key, the notifier opens it; queues, tables and backups hold only the seal.
Keys and sealed texts travel as base64.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox


class CannotUnseal(ValueError):
    """The text was not sealed to this private key, or was altered."""


def new_key_pair() -> tuple[str, str]:
    """(public, private), each 32 bytes in base64."""
    private = PrivateKey.generate()
    return b64encode(bytes(private.public_key)).decode(), b64encode(bytes(private)).decode()


def seal(public_key: str, text: str) -> str:
    box = SealedBox(PublicKey(b64decode(public_key)))
    return b64encode(box.encrypt(text.encode())).decode()


def unseal(private_key: str, sealed: str) -> str:
    """Raises CannotUnseal."""
    try:
        return SealedBox(PrivateKey(b64decode(private_key))).decrypt(b64decode(sealed)).decode()
    except (CryptoError, ValueError) as error:
        raise CannotUnseal("sealed to another key, or altered") from error


def unseal_with_any(private_keys: Sequence[str], sealed: str) -> str:
    """While a key pair is rotated, what was sealed to the earlier one is still on its way. Raises CannotUnseal."""
    for private_key in private_keys[:-1]:
        with suppress(CannotUnseal):
            return unseal(private_key, sealed)
    return unseal(private_keys[-1], sealed)
