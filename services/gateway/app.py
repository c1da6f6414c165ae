"""The composition root of the gateway: the only file that knows all the others."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from services.gateway.adapters.refills_http import HttpRefills
from services.gateway.adapters.upstream_http import HttpUpstream
from services.gateway.adapters.usage_http import HttpUsage
from services.gateway.domain.chat_request import parse_chat_request
from services.gateway.domain.completion_request import parse_completion_request
from services.gateway.domain.embedding_request import parse_embedding_request
from services.gateway.domain.generation import CompletionLimits
from services.gateway.domain.response_request import parse_response_request
from services.gateway.entrypoints.cors import Cors
from services.gateway.entrypoints.generate import GenerationEndpoint, Parse, Path
from services.gateway.entrypoints.openapi import OPENAPI_PATH, OpenApi
from services.gateway.entrypoints.reads import MODELS_PATH, BalanceEndpoint, ModelDetail, ModelList
from services.gateway.entrypoints.status import status_routes
from services.gateway.entrypoints.usage import (
    PUBLIC_KEY_PATH,
    USAGE_PATH,
    PublicKey,
    UsageList,
    UsageReceipt,
)
from services.gateway.entrypoints.v1 import V1, Routes
from services.gateway.settings import GatewaySettings
from services.gateway.use_cases.admit import Admission, AdmissionPolicy
from services.gateway.use_cases.answer_whole import WholeAnswers
from services.gateway.use_cases.checkpoint import CheckpointLoop
from services.gateway.use_cases.lease import Lease
from services.gateway.use_cases.list_models import Models
from services.gateway.use_cases.open_request import OpenRequests
from services.gateway.use_cases.publish_usage import UsageBus, UsageRelay
from services.gateway.use_cases.read_balance import Balances
from services.gateway.use_cases.read_usage import Usage
from services.gateway.use_cases.refill_keys import KeyRefills
from services.gateway.use_cases.relay_stream import StreamRelay
from services.gateway.use_cases.replay_settlements import replay_settlements
from services.gateway.use_cases.report_state import State
from services.gateway.use_cases.settle import Settlements
from services.gateway.use_cases.slots import UpstreamSlots
from services.gateway.use_cases.tasks import Tasks
from services.gateway.use_cases.unconfirmed import Unconfirmed
from services.gateway.use_cases.upstream_pool import PooledUpstream
from services.gateway.use_cases.watch_backlog import Backlog
from services.gateway.use_cases.watch_template import TemplateWatch
from shared import redis_client
from shared.admission.desk import AdmissionDesk
from shared.admission.stream import SettlementStream
from shared.background import Background
from shared.bus import connection as bus_connection
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.http.internal import InternalClient
from shared.http.request_log import RequestLog
from shared.http.shell import Readiness, create_app

GENERATING: dict[str, Parse] = {
    "/v1/chat/completions": parse_chat_request,
    "/v1/responses": parse_response_request,
    "/v1/completions": parse_completion_request,
    "/v1/embeddings": parse_embedding_request,
}
DRAIN_TIMEOUT_SECONDS = 3.0
"""For whole calls and settlements, after the 24 s for streams (shared.process): supervisors kill after 30."""
FLUSH_TIMEOUT_SECONDS = 1.5
"""What is not published then stays in Redis, for the other gateways or the next start."""


class Gateway:
    """Everything wired; nothing is connected before its first use."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.redis = redis_client.open_redis(settings.redis_url)
        self.bus = bus_connection.Connection(settings.amqp_url, "gateway-publisher")
        self.accounts = InternalClient(settings.accounts_url, settings.internal_token)
        self.metering = InternalClient(settings.metering_url, settings.internal_token)
        self.slots = UpstreamSlots(
            slots=settings.upstream_concurrency * len(settings.llama_base_url),
            length_max=settings.queue_length_max,
            timeout_seconds=settings.queue_timeout_seconds,
        )
        self.upstream = _pool(settings, self.slots)
        self.desk = AdmissionDesk(self.redis)
        self.tasks = Tasks()
        self.open_requests = OpenRequests()
        stream = SettlementStream(self.redis)
        usage_bus = UsageBus(Publisher(self.bus), utc_now)
        self.usage_relay = UsageRelay(stream, usage_bus)
        self.backlog = Backlog(stream)
        self.refills = HttpRefills(self.accounts, self.metering)
        key_refills = KeyRefills(self.refills, self.open_requests, self.tasks)
        self.unconfirmed = Unconfirmed(self.redis, self.desk)
        self.lease = Lease()
        self.template = TemplateWatch(self.upstream)
        self.checkpoints = CheckpointLoop(
            self.redis, self.open_requests, self.unconfirmed, key_refills, usage_bus, self.lease
        )
        self.settlements = Settlements(
            self.desk,
            self.upstream,
            self.open_requests,
            self.unconfirmed,
            usage_bus.publish_one,
            self.tasks,
            utc_now,
        )
        self.state = State(self.slots, self.upstream, self.open_requests, self.unconfirmed, self.backlog)
        self.models = Models(self.upstream)
        self.usage = Usage(HttpUsage(self.metering), utc_now)
        admission = self._admission(settings)
        self.v1 = V1(
            self._routes(settings, admission),
            admission.turn_away,
            key_pepper=settings.key_pepper.get_secret_value().encode(),
            trusted_proxies=settings.trusted_proxies,
        )

    def _admission(self, settings: GatewaySettings) -> Admission:
        policy = AdmissionPolicy(
            base_url=settings.base_url.rstrip("/"),
            ip_limit_per_minute=settings.inference_ip_rate_limit,
            wait_for_held_seconds=settings.queue_timeout_seconds,
        )
        return Admission(self.desk, self.refills, self.upstream, self.settlements, self.template, policy)

    def _routes(self, settings: GatewaySettings, admission: Admission) -> Routes:
        models, path = self.models, self._path(settings, admission)
        return {
            **{
                route: {"POST": GenerationEndpoint(route, parse, path)} for route, parse in GENERATING.items()
            },
            "/v1/models": {"GET": ModelList(admission, models)},
            MODELS_PATH: {"GET": ModelDetail(admission, models)},
            "/v1/balance": {"GET": BalanceEndpoint(admission, Balances(self.desk, self.refills))},
            "/v1/usage": {"GET": UsageList(admission, self.usage)},
            USAGE_PATH: {"GET": UsageReceipt(admission, self.usage)},
        }

    def _path(self, settings: GatewaySettings, admission: Admission) -> Path:
        return Path(
            admission,
            StreamRelay(self.upstream, self.slots, self.settlements, self.lease),
            WholeAnswers(self.upstream, self.slots, self.settlements, self.lease),
            self.open_requests,
            self.settlements,
            self.backlog,
            CompletionLimits(settings.default_completion_tokens, settings.max_completion_tokens),
        )

    @asynccontextmanager
    async def running(self, _: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.redis.aclose)
            stack.push_async_callback(self.bus.close)
            for client in (self.upstream, self.accounts, self.metering):
                await stack.enter_async_context(client)
            background = await stack.enter_async_context(Background())
            background.start("upstream_health", self.upstream.run)
            background.start("template", self.template.run)
            background.start("checkpoints", self.checkpoints.run)
            background.start("unconfirmed", self.unconfirmed.run)
            background.start("confirmations", self.unconfirmed.run_confirmations)
            background.start("usage_relay", self.usage_relay.run)
            background.start("backlog", self.backlog.run)
            yield
            await self.tasks.drain(DRAIN_TIMEOUT_SECONDS)
            await self.usage_relay.flush(FLUSH_TIMEOUT_SECONDS)


def _pool(settings: GatewaySettings, slots: UpstreamSlots) -> PooledUpstream:
    upstreams = [
        HttpUpstream(url, settings.llama_api_key, timeout_seconds=settings.upstream_timeout_seconds)
        for url in settings.llama_base_url
    ]
    return PooledUpstream(upstreams, slots, slots_each=settings.upstream_concurrency)


async def replay(settings: GatewaySettings) -> int:
    """Beside running gateways, or without any."""
    redis = redis_client.open_redis(settings.redis_url)
    bus = bus_connection.Connection(settings.amqp_url, "gateway-replay")
    try:
        return await replay_settlements(SettlementStream(redis), UsageBus(Publisher(bus), utc_now))
    finally:
        await bus.close()
        await redis.aclose()


def build_app(settings: GatewaySettings) -> FastAPI:
    gateway = Gateway(settings)
    readiness = Readiness()
    readiness.add("redis", lambda: redis_client.answers(gateway.redis))
    readiness.add("rabbitmq", lambda: bus_connection.answers(gateway.bus))
    readiness.add("upstream", gateway.upstream.list_models)
    readiness.readings.add("state", gateway.state.read)
    v1 = RequestLog(Cors(gateway.v1, settings.cors_allowed_origins))
    app = create_app("gateway", lifespan=gateway.running, readiness=readiness, kind=_past_the_framework(v1))
    app.include_router(status_routes(gateway.models, gateway.slots, settings.internal_token))
    app.add_route(OPENAPI_PATH, OpenApi(settings.base_url.rstrip("/")).show)
    app.add_route(PUBLIC_KEY_PATH, PublicKey(gateway.usage).show)
    return app


def _past_the_framework(v1: RequestLog) -> type[FastAPI]:
    """Everything under /v1 is answered as it is asked, in OpenAI's shape. It is none of the framework's business, whose
    layers would take longer than all of ours."""

    class App(FastAPI):
        def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
            if scope["type"] == "http" and f"{scope['path']}/".startswith("/v1/"):
                return v1(scope, receive, send)
            return super().__call__(scope, receive, send)

    return App
