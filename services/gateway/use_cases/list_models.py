"""Which models answer now, asked of the upstream at most every few seconds.

llama-server tells the time of the question as the model's date: the first that we were told stays.
"""

import asyncio
import time
from dataclasses import replace

from services.gateway.domain.errors import ModelNotFound, Overloaded
from services.gateway.use_cases.upstream import Model, Upstream
from shared.errors import PromptlyError

FRESH_SECONDS = 3.0
RETRY_AFTER_SECONDS = 5


class Models:
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._models: list[Model] = []
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def list_all(self) -> list[Model]:
        """Raises Overloaded when the upstream cannot say."""
        async with self._asking:
            if time.monotonic() >= self._fresh_until:
                dates = {model.name: model.created_at for model in self._models}
                self._models = [
                    replace(model, created_at=dates.get(model.name, model.created_at))
                    for model in await self._ask()
                ]
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._models

    async def get(self, name: str) -> Model:
        for model in await self.list_all():
            if model.name == name:
                return model
        raise ModelNotFound(f"The model '{name[:64]}' is not loaded: see /v1/models.", param="model")

    async def _ask(self) -> list[Model]:
        try:
            return await self._upstream.list_models()
        except PromptlyError as error:
            message = "The model server does not answer. Please try again."
            raise Overloaded(message, retry_after_seconds=RETRY_AFTER_SECONDS) from error
