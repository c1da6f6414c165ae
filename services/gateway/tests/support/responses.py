"""Responses that tests ask for, and how they read the events."""

import json
from typing import Any

RESPONSES = "/v1/responses"
ASKED: dict[str, Any] = {"input": "Hi"}
STREAMED: dict[str, Any] = ASKED | {"stream": True}


def events_in(text: str) -> list[dict[str, Any]]:
    """Each is named twice, alike; comments are left out."""
    events = []
    for event in text.split("\n\n"):
        lines = event.splitlines()
        if len(lines) == 2:
            data = json.loads(lines[1].removeprefix("data: "))
            assert lines[0] == f"event: {data['type']}"
            events.append(data)
    return events


def types_in(text: str) -> list[str]:
    """Without repetitions in a row."""
    types = [event["type"] for event in events_in(text)]
    return [name for at, name in enumerate(types) if at == 0 or types[at - 1] != name]
