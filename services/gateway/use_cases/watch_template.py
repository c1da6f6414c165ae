"""Knows whether the cheap bound of a prompt holds for the models that are loaded now.

Looks which model each upstream has, and measures its chat template when that is a new one. Until an upstream's is
known, and where it writes more than the bound promises, every prompt is counted exactly.
"""

import asyncio
from dataclasses import asdict
from typing import Any

import structlog

from services.gateway.domain.chat_request import COUNT_PATH, PROMPT_FIELD
from services.gateway.domain.errors import UpstreamUnreachable
from services.gateway.domain.generation import UpstreamCall
from services.gateway.domain.template import (
    INSTRUCTED,
    ONE,
    THREE,
    WITH_TOOL,
    TemplateCounts,
    body_of,
    template_of,
)
from services.gateway.use_cases.upstream import Upstream
from services.gateway.use_cases.upstream_pool import Member, PooledUpstream
from shared.errors import Kind, PromptlyError

INTERVAL_SECONDS = 2.0
"""So long may a model be loaded before its template is known; a charge never exceeds its hold meanwhile either."""

Names = tuple[str, ...]
log = structlog.get_logger()


class TemplateWatch:
    def __init__(self, pool: PooledUpstream) -> None:
        self._pool = pool
        self._models: dict[int, Names] = {}
        self._is_within: dict[int, bool] = {}

    @property
    def bound_holds(self) -> bool:
        """For every upstream that may answer."""
        serving = [member.index for member in self._pool.members if member.is_up]
        return bool(serving) and all(self._is_within.get(index, False) for index in serving)

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self) -> None:
        await asyncio.gather(*(self._look_at(member) for member in self._pool.members))

    async def _look_at(self, member: Member) -> None:
        """What is known of it is forgotten when it does not answer: it may come back with another model."""
        index = member.index
        try:
            names = tuple(model.name for model in await member.upstream.list_models())
            if self._models.get(index) != names:
                self._is_within.pop(index, None)
                self._is_within[index] = await self._measure(member, names)
        except PromptlyError:
            self._models.pop(index, None)
            self._is_within.pop(index, None)

    async def _measure(self, member: Member, names: Names) -> bool:
        counts = await _count_all(member.upstream)
        template = template_of(counts) if counts else None
        is_within = template is None or template.is_within_bound
        known = asdict(template) if template else {}
        write = log.info if template and is_within else log.warning
        write("template_measured", upstream=member.index, is_within_bound=is_within, **known)
        self._models[member.index] = names
        return is_within


async def _count_all(upstream: Upstream) -> TemplateCounts | None:
    """None when this server cannot count at all: the bound's promise is all there is. Raises when it does not
    answer now."""
    one = await _count_if_taken(upstream, ONE)
    if one is None:
        return None
    return TemplateCounts(
        one=one,
        three=await _count_if_taken(upstream, THREE),
        instructed=await _count_if_taken(upstream, INSTRUCTED),
        with_tool=await _count_if_taken(upstream, WITH_TOOL),
    )


async def _count_if_taken(upstream: Upstream, conversation: dict[str, Any]) -> int | None:
    try:
        return await upstream.count_prompt(UpstreamCall(COUNT_PATH, body_of(conversation), PROMPT_FIELD))
    except PromptlyError as error:
        if isinstance(error, UpstreamUnreachable) or error.kind in (Kind.UPSTREAM_TIMEOUT, Kind.UNAVAILABLE):
            raise
        return None
