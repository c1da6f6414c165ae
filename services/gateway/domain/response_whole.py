"""A whole chat answer becomes a response."""

import json

from services.gateway.domain.generation import WholeAnswer
from services.gateway.domain.json_body import COMPACT
from services.gateway.domain.response_items import KIND_OF_FIELD, MESSAGE, Json
from services.gateway.domain.response_object import AnswerEnd, ResponseHead
from services.gateway.domain.whole_answer import counts_in, model_in, parse_answer


def read_whole_response(body: bytes, head: ResponseHead) -> WholeAnswer:
    """Raises UpstreamFailed when the body is no chat completion."""
    answer = parse_answer(body)
    choice = answer["choices"][0] if answer["choices"] else {}
    ending = AnswerEnd(choice.get("finish_reason"), int(answer.get("created") or 0))
    counts, model = counts_in(answer), model_in(answer)
    output = _output(choice.get("message") or {}, ending, head)
    response = head.ended(ending, model, output, counts)
    return WholeAnswer(json.dumps(response, separators=COMPACT).encode(), counts, model)


def _output(message: Json, ending: AnswerEnd, head: ResponseHead) -> list[Json]:
    """What comes last was cut, if anything was. There is a message, unless it did not come to that."""
    said = [(kind, message[field]) for field, kind in KIND_OF_FIELD.items() if message.get(field)]
    if not said or (said[-1][0] is not MESSAGE and ending.status == "completed"):
        said.append((MESSAGE, ""))
    last = len(said) - 1
    return [
        head.item(kind, index).ended(text, ending.status if index == last else "completed")
        for index, (kind, text) in enumerate(said)
    ]
