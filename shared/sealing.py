"""A secret on the bus is sealed to its one reader: NaCl sealed boxes (X25519, XSalsa20-Poly1305).

accounts seals a new API key, the notifier opens it; queues, tables and backups hold only the seal.
Keys and sealed texts travel as base64.
"""

from base64 import b64decode, b64encode

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
