"""Text that reaches the model as it is, without a chat template: its bound, and how it is counted."""

from collections.abc import Sequence

from services.gateway.domain.json_body import encode

TOKENIZE_PATH = "/tokenize"
SPECIAL_TOKENS = 2
"""What a tokenizer may set around a text, beginning and end: gemma sets one."""
SPARE_TOKENS = 6
"""A space that some tokenizers put in front may be three bytes long; the rest is for safety."""
ANY_TOKEN_ID = 1


def text_bound(texts: Sequence[str]) -> int:
    """No tokenizer with byte fallback makes more tokens than bytes."""
    return sum(len(text.encode(errors="surrogatepass")) + SPECIAL_TOKENS + SPARE_TOKENS for text in texts)


def tokenize_body(texts: Sequence[str]) -> bytes:
    """Asks for the tokens of all texts at once. Special tokens are set around the first alone, so each further
    text brings as many ids along: then it is exact for one text, and for several at most two too many each."""
    content: list[str | int] = [*texts[:1]]
    for text in texts[1:]:
        content += [text, *[ANY_TOKEN_ID] * SPECIAL_TOKENS]
    return encode({"content": content, "add_special": True, "parse_special": True})
