"""Embeddings: vectors for one or several texts. They cost their prompt tokens; nothing is generated."""

import json
from dataclasses import dataclass
from typing import Any

from services.gateway.domain.body_fields import present, unknown_fields
from services.gateway.domain.chat_fields import WITHOUT_EFFECT
from services.gateway.domain.checks import list_at, not_supported, one_of
from services.gateway.domain.counts import counts_of_prompt
from services.gateway.domain.errors import InvalidRequest, MissingParameter, UpstreamFailed
from services.gateway.domain.generation import AnswerId, CompletionLimits, UpstreamCall, WholeAnswer
from services.gateway.domain.json_body import COMPACT, decode_object, encode
from services.gateway.domain.model_names import file_name
from services.gateway.domain.raw_text import TOKENIZE_PATH, text_bound, tokenize_body

PATH = "/v1/embeddings"
PROMPT_FIELD = "input"
OFFER = "embeddings"
INPUTS_MAX = 256
"""Of 4,096 numbers each, written out: an answer of 22 MB. To llama-server each is a task of its own."""
STRUCTURED = frozenset({"input", "encoding_format"})
KNOWN = STRUCTURED | WITHOUT_EFFECT
REFUSED = frozenset({"dimensions"})
"""llama-server leaves it out without a word."""
VECTORS = b',"data":['
"""In JSON no text can contain it: its quotes would be escaped. llama-server writes it last."""


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A GenerationRequest that generates nothing, always answered in one piece."""

    _texts: tuple[str, ...]
    _body: bytes
    tokens_prompt_bound: int
    ignored_fields: tuple[str, ...]
    stream: bool = False
    tokens_completion: int = 0

    def __repr__(self) -> str:
        return f"EmbeddingRequest({len(self._texts)} texts)"

    def upstream_call(self, _: int) -> UpstreamCall:
        return UpstreamCall(PATH, self._body, PROMPT_FIELD, OFFER)

    def count_call(self) -> UpstreamCall:
        return UpstreamCall(TOKENIZE_PATH, tokenize_body(self._texts), PROMPT_FIELD, OFFER)

    def answer_stream(self, _: AnswerId) -> None:
        return None

    def read_whole(self, body: bytes, _: AnswerId) -> WholeAnswer:
        return read_embeddings(body)


def parse_embedding_request(body: bytes, _: CompletionLimits) -> EmbeddingRequest:
    """Raises InvalidRequest (or a subclass) naming the first field at fault."""
    given = present(decode_object(body))
    for name in sorted(REFUSED & given.keys()):
        raise not_supported(name)
    ignored = unknown_fields(given, KNOWN)
    texts = _texts(given.get("input"))
    sent: dict[str, Any] = {"input": texts}
    if "encoding_format" in given:
        sent["encoding_format"] = one_of("float", "base64")("encoding_format", given["encoding_format"])
    return EmbeddingRequest(tuple(texts), encode(sent), text_bound(texts), tuple(ignored))


def read_embeddings(body: bytes) -> WholeAnswer:
    """The vectors pass as they are, unread: a large answer would keep all streams waiting."""
    head, found, vectors = body.partition(VECTORS)
    answer = _parse(head + b"}" if found else b"")
    model, usage = file_name(str(answer.get("model", ""))), answer.get("usage")
    counts = counts_of_prompt(usage)
    shown = {"object": "list", "model": model, "usage": usage if counts else None}
    text = json.dumps(shown, ensure_ascii=False, separators=COMPACT).encode(errors="backslashreplace")
    return WholeAnswer(text[:-1] + VECTORS + vectors, counts, model)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamFailed("The model server's answer could not be read. Nothing was charged.") from error
    if not isinstance(answer, dict) or answer.get("object") != "list":
        raise UpstreamFailed("The model server's answer was no list of embeddings. Nothing was charged.")
    return answer


def _texts(value: Any) -> list[str]:
    if value is None:
        raise MissingParameter("'input' is missing.", param="input")
    texts = [value] if isinstance(value, str) else list_at("input", value, length_max=INPUTS_MAX)
    for at, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            field = "input" if isinstance(value, str) else f"input[{at}]"
            raise InvalidRequest(
                f"'{field}' must be a text, and not empty; token ids do not work here.", param=field
            )
    if not texts:
        raise InvalidRequest("'input' must not be empty.", param="input")
    return texts
