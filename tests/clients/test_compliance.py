"""An outside suite, written for OpenAI's own API (llm-comply: its OpenAPI schemas, and those of Open Responses), at
our base URL. It finds nothing but what this API refuses by name, does without, or what so small a model cannot do."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.person import Person

CLIENT_TIMEOUT_SECONDS = 180
NOT_HERE = {
    "openai-chat": {
        "chat-image-input",  # the model reads text
        "chat-tool-calling",  # the model is too small to call a tool when it may
        "chat-error-handling",  # takes a missing `model` for an error; here it is optional
    },
    "open-responses": {
        "tool-calling",  # refused by name
        "image-input",  # refused by name
        "error-handling",  # takes a missing `model` for an error
    },
}


@pytest.mark.parametrize("suite", NOT_HERE)
def test_an_outside_suite_has_no_surprises(suite: str, customer: Person, outside_clients: Path) -> None:
    results = run_suite(suite, customer, outside_clients)
    failed = {result["id"]: result["errors"] for result in results if result["status"] == "failed"}
    assert {name: errors for name, errors in failed.items() if name not in NOT_HERE[suite]} == {}
    assert sum(result["status"] == "passed" for result in results) >= 5


def run_suite(suite: str, customer: Person, outside_clients: Path) -> list[dict[str, Any]]:
    program = outside_clients / "python" / "bin" / "llm-comply"
    options = ["--base-url", f"{customer.base_url}/v1", "--api-key", customer.key, "--model", "any"]
    done = subprocess.run(
        [program, "run", *options, "--format", suite, "--json"],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=CLIENT_TIMEOUT_SECONDS,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return found
