"""A cheap upper bound of a prompt's tokens: no tokenizer with byte fallback makes more tokens than bytes.

What it promises a chat template is measured for the model that is loaded (template.py): where that writes more,
every prompt is counted exactly.
"""

TEMPLATE_TOKENS = 512
"""What a chat template may write around a conversation: its own system prompt, a date, instructions."""
MESSAGE_TOKENS = 32
"""What it may write around one message: role, separators, control tokens."""
TOOLS_TEMPLATE_TOKENS = 1024
"""What it may explain about calling tools."""
REESCAPED = 8
"""A template may escape schemas and tool calls again: a byte becomes at most that many."""


def prompt_bound(*, messages: int, message_bytes: int, structure_bytes: int) -> int:
    """`structure_bytes`: JSON of tools, schemas and earlier tool calls."""
    tokens = TEMPLATE_TOKENS + messages * MESSAGE_TOKENS + message_bytes
    if structure_bytes:
        tokens += TOOLS_TEMPLATE_TOKENS + structure_bytes * REESCAPED
    return tokens


BEYOND_ANY_BALANCE = 1 << 52
"""In place of a bound that does not hold: the desk then asks for the exact count, once key and limits are fine."""
