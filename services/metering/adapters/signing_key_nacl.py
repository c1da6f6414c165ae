"""The Ed25519 key that receipts are signed with."""

from base64 import b64decode, b64encode
from hashlib import sha256

from nacl import signing

KEY_ID_DIGITS = 16
SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 public key in DER (RFC 8410)."""


class SigningKey:
    """`seed`: 32 bytes in base64. Raises ValueError for anything else."""

    def __init__(self, seed: str) -> None:
        self._key = signing.SigningKey(b64decode(seed, validate=True))
        self._public = bytes(self._key.verify_key)

    @property
    def public_key_id(self) -> str:
        return sha256(self._public).hexdigest()[:KEY_ID_DIGITS]

    @property
    def public_key_pem(self) -> str:
        """SubjectPublicKeyInfo, as openssl reads it."""
        body = b64encode(SUBJECT_PUBLIC_KEY_INFO + self._public).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"

    def sign(self, text: str) -> str:
        """The signature over its UTF-8 bytes, in base64."""
        return b64encode(self._key.sign(text.encode()).signature).decode()
