"""What a prompt tells the paced stand-in to do: an order at its end, which no gateway reads.

So a thousand requests at once each get the answer that their test wants, whichever gateway they pass."""

import json
from dataclasses import asdict, dataclass
from typing import Any

MARK = "@{"


@dataclass(frozen=True, slots=True)
class Order:
    """`name` finds the answer in the log again. `after` so many tokens it does that; it refuses the first
    `refusals` times that it is asked by this name."""

    name: str
    tokens: int = 7
    pace_ms: int = 0
    refusals: int = 0
    dies_after: int | None = None
    ends_after: int | None = None
    fails_after: int | None = None


def prompt_of(order: Order, words: int) -> str:
    """It costs 5 tokens and one for each word."""
    members = {name: value for name, value in asdict(order).items() if value is not None}
    return " ".join([*(["word"] * words), "@" + json.dumps(members, separators=(",", ":"))])


def order_in(body: dict[str, Any]) -> Order:
    content: str = body["messages"][-1]["content"]
    return Order(**json.loads(content[content.rindex(MARK) + 1 :]))
