"""What a key's holder is shown of their own usage, and the proof of it that needs nobody's word."""

import csv
import json
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from deploy.local.settings import ROOT
from tests.support.eventually import eventually
from tests.support.person import Person

VERIFY = ROOT / "scripts" / "verify-receipt.py"


@pytest.fixture
async def asked(person: Person) -> tuple[Person, str, dict[str, int]]:
    """A person, the id of their one request, and its usage as the answer told it."""
    await person.register()
    answer = await person.ask(max_tokens=8)
    return person, answer.headers["x-request-id"], answer.json()["usage"]


async def get(person: Person, path: str) -> Any:
    async with person.client() as client:
        reply = await client.get(path)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_receipt_is_there_right_after_the_answer_and_says_what_it_said(
    asked: tuple[Person, str, dict[str, int]],
) -> None:
    person, request_id, usage = asked
    receipt = (await get(person, f"/v1/usage/{request_id}"))["receipt"]
    assert receipt["tokens_prompt"] == usage["prompt_tokens"]
    assert receipt["tokens_completion"] == usage["completion_tokens"]
    assert receipt["tokens_charged"] == usage["total_tokens"]
    assert (receipt["outcome"], receipt["estimated"]) == ("completed", False)


async def test_usage_is_the_same_by_request_by_model_by_day_and_in_csv(
    asked: tuple[Person, str, dict[str, int]],
) -> None:
    person, request_id, usage = asked
    await get(person, f"/v1/usage/{request_id}")
    [request] = (await get(person, "/v1/usage?group_by=request"))["data"]
    assert request["request_id"] == request_id
    for group_by in ("day", "model"):
        [row] = (await get(person, f"/v1/usage?group_by={group_by}"))["data"]
        assert (row["requests"], row["tokens_prompt"]) == (1, usage["prompt_tokens"])
    async with person.client() as client:
        text = (await client.get("/v1/usage?group_by=request", headers={"accept": "text/csv"})).text
    [line] = csv.DictReader(text.splitlines())
    assert (line["request_id"], line["tokens_charged"]) == (request_id, str(usage["total_tokens"]))


async def test_pages_follow_each_other(person: Person) -> None:
    await person.register()
    ids = [(await person.ask(max_tokens=1)).headers["x-request-id"] for _ in range(3)]

    async def all_are_posted() -> bool:
        return len((await get(person, "/v1/usage?group_by=request"))["data"]) == len(ids)

    await eventually(all_are_posted)
    seen, cursor = [], ""
    for _ in ids:
        page = await get(person, f"/v1/usage?group_by=request&limit=1{cursor}")
        seen += [row["request_id"] for row in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (seen, page["has_more"]) == (ids[::-1], False)


async def test_the_ledgers_own_bounds_are_told_in_openais_shape(person: Person) -> None:
    await person.register()
    await person.ask(max_tokens=1)
    async with person.client() as client:
        for query, param in (("since=2026-01-02&until=2026-01-01", "since"), ("cursor=YWJj", "cursor")):
            reply = await client.get(f"/v1/usage?{query}")
            assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


async def test_a_signed_receipt_is_verified_offline_and_a_changed_one_is_not(
    asked: tuple[Person, str, dict[str, int]], tmp_path: Path
) -> None:
    person, request_id, usage = asked
    reply = await get(person, f"/v1/usage/{request_id}?signed=true")
    async with person.browser() as stranger:
        (tmp_path / "key.pem").write_text((await stranger.get("/.well-known/promptly-receipts.pem")).text)

    status, said = verify(reply, tmp_path)
    assert (status, request_id in said, f"{usage['total_tokens']} tokens" in said) == (0, True, True)
    verify_with_openssl(reply, tmp_path)

    cheaper = reply["receipt"] | {"tokens_charged": 1}
    for changed in (
        reply | {"receipt": cheaper},
        reply | {"receipt": cheaper, "payload": json.dumps(cheaper)},
    ):
        status, said = verify(changed, tmp_path)
        assert (status, said.startswith("NOT VALID")) == (1, True)


def verify(reply: dict[str, Any], folder: Path) -> tuple[int, str]:
    (folder / "receipt.json").write_text(json.dumps(reply))
    command: list[str | Path] = [sys.executable, VERIFY, folder / "receipt.json", folder / "key.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def verify_with_openssl(reply: dict[str, Any], folder: Path) -> None:
    (folder / "payload").write_bytes(reply["payload"].encode())
    (folder / "signature").write_bytes(b64decode(reply["signature"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin"]
    subprocess.run([*command, "-in", "payload", "-sigfile", "signature"], cwd=folder, check=True)
