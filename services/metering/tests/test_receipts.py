"""Receipts: what was charged for one request, to be proved by whoever holds it, without us."""

import json
import shutil
import subprocess
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from services.metering.settings import MeteringSettings
from services.metering.tests.asking import asking
from services.metering.tests.building import Books, record_for
from shared.postgres import Pool
from shared.settings import load

SEED = b64encode(bytes(range(32))).decode()


async def ask(client: httpx.AsyncClient, path: str) -> Any:
    reply = await client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def signed_receipt(books: Books, pool: Pool) -> tuple[Any, Any]:
    """A receipt with its signature, and the published key."""
    account_id = await books.open_account()
    record = record_for(account_id, 30)
    await books.post(record)
    async with asking(pool, signing_seed=SEED) as client:
        path = f"/internal/accounts/{account_id}/usage/requests/{record.request_id}?signed=true"
        return await ask(client, path), await ask(client, "/internal/receipts/public-key")


async def test_a_receipt_says_what_was_counted_and_what_was_paid(books: Books, pool: Pool) -> None:
    account_id = await books.open_account(trial=20)
    record = record_for(account_id, 30)
    await books.post(record)
    async with asking(pool) as client:
        reply = await ask(client, f"/internal/accounts/{account_id}/usage/requests/{record.request_id}")
    receipt = reply["receipt"]
    assert (receipt["tokens_prompt"], receipt["tokens_completion"]) == (10, 20)
    assert receipt["tokens_charged"] == 20
    assert (receipt["outcome"], receipt["estimated"]) == ("completed", False)
    assert (reply["payload"], reply["signature"], reply["public_key_id"]) == (None, None, None)


async def test_a_signature_verifies_with_the_published_key_alone(books: Books, pool: Pool) -> None:
    signed, published = await signed_receipt(books, pool)
    public = b64decode("".join(published["public_key_pem"].splitlines()[1:-1]))[-32:]
    payload, signature = signed["payload"].encode(), b64decode(signed["signature"])
    VerifyKey(public).verify(payload, signature)
    assert signed["public_key_id"] == published["public_key_id"] == sha256(public).hexdigest()[:16]
    with pytest.raises(BadSignatureError):
        VerifyKey(public).verify(payload.replace(b"30", b"29", 1) + b" ", signature)


async def test_what_is_signed_is_the_receipt_as_canonical_json(books: Books, pool: Pool) -> None:
    signed, _ = await signed_receipt(books, pool)
    assert json.loads(signed["payload"]) == signed["receipt"]
    assert signed["payload"] == json.dumps(signed["receipt"], sort_keys=True, separators=(",", ":"))


def openssl_verifies(folder: Path) -> bool:
    command = "openssl pkeyutl -verify -pubin -inkey pub.pem -rawin -in payload -sigfile sig"
    assert shutil.which("openssl"), "install openssl: receipts are documented to be verified with it"
    return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode == 0


async def test_openssl_verifies_it_as_documented(books: Books, pool: Pool, tmp_path: Path) -> None:
    signed, published = await signed_receipt(books, pool)
    (tmp_path / "pub.pem").write_text(published["public_key_pem"])
    (tmp_path / "payload").write_text(signed["payload"])
    (tmp_path / "sig").write_bytes(b64decode(signed["signature"]))
    assert openssl_verifies(tmp_path)
    (tmp_path / "payload").write_text(signed["payload"].replace("completed", "lost"))
    assert not openssl_verifies(tmp_path)


async def test_without_a_key_nothing_is_signed_and_the_rest_still_answers(books: Books, pool: Pool) -> None:
    account_id = await books.open_account()
    record = record_for(account_id)
    await books.post(record)
    path = f"/internal/accounts/{account_id}/usage/requests/{record.request_id}"
    async with asking(pool) as client:
        assert (await client.get(path)).status_code == 200
        for refused in (f"{path}?signed=true", "/internal/receipts/public-key"):
            reply = await client.get(refused)
            assert (reply.status_code, reply.json()["error"]["code"]) == (404, "receipts_not_signed")


async def test_what_is_not_posted_has_no_receipt(books: Books, pool: Pool) -> None:
    account_id = await books.open_account()
    async with asking(pool, signing_seed=SEED) as client:
        reply = await client.get(f"/internal/accounts/{account_id}/usage/requests/{uuid4()}?signed=true")
        assert reply.status_code == 404
        assert (await client.get(f"/internal/accounts/{account_id}/usage/requests/7")).status_code == 400


@pytest.mark.parametrize("seed", ["short", b64encode(b"x" * 31).decode(), "!" * 44])
def test_a_key_that_is_none_stops_the_start(
    seed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = {
        "DATABASE_URL": "postgresql://localhost/gateway",
        "REDIS_URL": "redis://localhost",
        "AMQP_URL": "amqp://localhost",
        "INTERNAL_TOKEN": "an-internal-token",
    }
    for name, value in needed.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RECEIPT_SIGNING_KEY", seed)
    with pytest.raises(SystemExit):
        load(MeteringSettings)
    told = capsys.readouterr().err
    assert told.startswith("RECEIPT_SIGNING_KEY is wrong")
    assert seed not in told
