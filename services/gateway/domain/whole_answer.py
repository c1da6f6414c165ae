"""A whole (not streamed) answer of the upstream: what it cost, and what of it the client gets."""

import json
from typing import Any

import msgspec

from services.gateway.domain.chat_stream import INJECTED
from services.gateway.domain.counts import Counts, counts_of_timings, counts_of_usage
from services.gateway.domain.errors import UpstreamFailed
from services.gateway.domain.generation import WholeAnswer
from services.gateway.domain.json_body import COMPACT
from services.gateway.domain.model_names import file_name


def read_whole_answer(body: bytes) -> WholeAnswer:
    """Of a chat or a text completion. Raises UpstreamFailed when the body is neither."""
    answer = parse_answer(body)
    counts, model = counts_in(answer), model_in(answer)
    for name in INJECTED:
        answer.pop(name, None)
    answer["model"] = model
    _complete(answer["choices"])
    return WholeAnswer(_written(answer), counts, model)


def _written(answer: dict[str, Any]) -> bytes:
    try:
        return _WRITER.encode(answer)
    except UnicodeEncodeError:  # half of a surrogate pair
        return _ENCODER.encode(answer).encode(errors="backslashreplace")


def _complete(choices: list[Any]) -> None:
    """OpenAI has these in every answer, null where there is nothing; llama-server leaves them out."""
    for choice in choices:
        if isinstance(choice, dict):
            choice.setdefault("logprobs", None)
            if isinstance(message := choice.get("message"), dict):
                message.setdefault("refusal", None)


def counts_in(answer: dict[str, Any]) -> Counts | None:
    return counts_of_usage(answer.get("usage")) or counts_of_timings(answer.get("timings"))


def model_in(answer: dict[str, Any]) -> str:
    return file_name(str(answer.get("model", "")))


def parse_answer(body: bytes) -> dict[str, Any]:
    """It has `choices`. Raises UpstreamFailed."""
    try:
        answer = _read(body)
    except (ValueError, RecursionError) as error:
        raise UpstreamFailed("The model server's answer could not be read. Nothing was charged.") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        raise UpstreamFailed("The model server's answer was no completion. Nothing was charged.")
    return answer


def _read(body: bytes) -> Any:
    """json reads what msgspec refuses: NaN, and half of a surrogate pair."""
    try:
        return _READER.decode(body)
    except msgspec.DecodeError:
        return json.loads(body)


_READER, _WRITER = msgspec.json.Decoder(), msgspec.json.Encoder()
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=COMPACT)
