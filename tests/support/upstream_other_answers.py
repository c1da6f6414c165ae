"""What the stand-in upstream answers on its other routes: text completions and embeddings, as recorded."""

import asyncio

from tests.support.upstream_answer import Answer
from tests.support.upstream_wire import MODEL_PATH, Body, headline, refuse, say


class CompletionAnswer(Answer):
    """Its last chunk brings the usage along, whether it was asked for or not."""

    kind = "text_completion"

    async def _greet(self) -> None:
        """No role here."""

    def _piece(self, token: str) -> Body:
        return self._text(token, None)

    async def _say_end(self) -> None:
        await self._event(self._text("", self._finish()) | self._usage() | self._timings())

    def _whole(self, tokens: list[str]) -> Body:
        [choice] = self._text("".join(tokens), self._finish())["choices"]
        return dict(choice)

    def _text(self, text: str, finish_reason: str | None) -> Body:
        choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}
        return headline([choice], self.kind)


async def say_embeddings(writer: asyncio.StreamWriter, texts: list[str], tokens_prompt: int) -> bool:
    vector = [-0.010727317072451115, 0.0637102946639061]
    answer = {
        "model": MODEL_PATH,
        "object": "list",
        "usage": {"prompt_tokens": tokens_prompt, "total_tokens": tokens_prompt},
        "data": [{"embedding": vector, "index": at, "object": "embedding"} for at, _ in enumerate(texts)],
    }
    return await say(writer, 200, answer)


async def refuse_embeddings(writer: asyncio.StreamWriter) -> bool:
    message = "This server does not support embeddings. Start it with `--embeddings`"
    return await refuse(writer, 501, message, "not_supported_error")
