#!/usr/bin/env python3
"""Is this receipt true? Checks a signed receipt offline, against our public key and nothing else.

curl -H "Authorization: Bearer sk-..." "https://HOST/v1/usage/REQUEST_ID?signed=true" > receipt.json
curl https://HOST/.well-known/promptly-receipts.pem > promptly-receipts.pem
pip install pynacl && python scripts/verify-receipt.py receipt.json promptly-receipts.pem
"""

import json
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

PUBLIC_KEY_BYTES = 32
"""The last of the DER that the PEM holds (RFC 8410)."""


def public_key_in(pem: str) -> VerifyKey:
    lines = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    return VerifyKey(b64decode("".join(lines))[-PUBLIC_KEY_BYTES:])


def verified(reply: dict[str, Any], key: VerifyKey) -> dict[str, Any]:
    """What was signed. Raises ValueError with the reason when it is not what we signed, or not what is shown."""
    if "signature" not in reply:
        raise ValueError("it is not signed: ask for it with signed=true")
    try:
        key.verify(reply["payload"].encode(), b64decode(reply["signature"]))
    except BadSignatureError as error:
        raise ValueError("the signature does not fit: it was changed, or signed with another key") from error
    signed: dict[str, Any] = json.loads(reply["payload"])
    if signed != reply["receipt"]:
        raise ValueError("what it shows is not what was signed")
    return signed


def main(receipt: Path, public_key: Path) -> int:
    try:
        signed = verified(json.loads(receipt.read_text()), public_key_in(public_key.read_text()))
    except (ValueError, KeyError) as problem:
        print(f"NOT VALID: {problem}")
        return 1
    charged = f"{signed['tokens_charged']} tokens charged ({signed['outcome']}, {signed['ended_at']})"
    print(f"valid: request {signed['request_id']} with {signed['model']}: {charged}")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
