"""What the gateway counts about itself for Prometheus: a few increments per request, none per chunk.

Labels are routes, statuses, outcomes and places in a list: never a key, an account, an address or a text.
What has a value at any moment (queue, holds, upstreams) is read when it is asked for: report_state.py.
"""

from dataclasses import dataclass, field
from time import perf_counter

from prometheus_client import Counter, Gauge

from shared.contracts.gateway import UsageRecord
from shared.durations import Durations
from shared.tallies import Tallies

FAST = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0)
SLOW = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

REQUESTS = Tallies(
    "promptly_gateway_requests",
    "Requests under /v1 that have ended. Status 499: the client left first; a stream's is the one it began with.",
    ("endpoint", "status", "outcome"),
)
TOKENS = Tallies("promptly_gateway_tokens", "Tokens charged. `cached` ones lie inside `prompt`.", ("kind",))
TOKENS_ABOVE_HOLD = Counter(
    "promptly_gateway_tokens_above_hold", "Generated beyond what was reserved, and never collected."
)
FIRST_BYTE = Durations(
    "promptly_gateway_time_to_first_byte_seconds",
    "From the request's head to the first byte of its answer, or the whole of it.",
    label="answer",
    bounds=SLOW,
)
OWN_OVERHEAD = Durations(
    "promptly_gateway_own_overhead_seconds",
    "From the last byte of the request to the upstream, without the queue, and from the upstream's first byte "
    "to ours (of a whole answer: to its settlement and sending).",
    label="answer",
    bounds=FAST,
)
QUEUE_WAIT = Durations(
    "promptly_gateway_queue_wait_seconds",
    "For a turn at the upstreams; nothing when there was room.",
    bounds=SLOW,
).of()
HELD_WAITING = Gauge(
    "promptly_gateway_held_waiters", "Requests that wait until money held by running ones is free again."
)
REDIS_ERRORS = Counter(
    "promptly_gateway_redis_errors", "Steps that Redis did not take or not answer.", ("step",)
)
REDIS_LOST = Counter(
    "promptly_gateway_redis_epoch_changes",
    "Times that Redis came back as another: restarted, or emptied. What only we know was told again.",
)
UPSTREAM_REFUSES_US = Counter(
    "promptly_gateway_upstream_refuses_us",
    "Requests that an upstream refused because of our key or configuration. An alarm: nobody is served.",
)
NOT_PUBLISHED = Counter(
    "promptly_gateway_publish_errors",
    "Usage batches that RabbitMQ did not confirm at once; each is sent again.",
)


@dataclass(slots=True)
class Stopwatch:
    """One request's time, where it is ours. Starts with the request's head."""

    _arrived: float = field(default_factory=perf_counter)
    _ours_since: float = 0.0
    _ours_seconds: float = 0.0
    has_answered: bool = False

    def ours(self) -> None:
        """From here on it is us who keep the client waiting."""
        self._ours_since = perf_counter()

    def not_ours(self) -> None:
        self._ours_seconds += perf_counter() - self._ours_since

    def answered(self, answer: str) -> None:
        """The first byte has gone out; `answer` is `stream` or `whole`."""
        self.has_answered = True
        self.not_ours()
        _OVERHEAD_OF[answer].observe(self._ours_seconds)
        _FIRST_BYTE_OF[answer].observe(perf_counter() - self._arrived)


def count_tokens(record: UsageRecord) -> None:
    for tally, tokens in (
        (_PROMPT, record.tokens_prompt),
        (_COMPLETION, record.tokens_completion),
        (_CACHED, record.tokens_cached),
    ):
        if tokens:
            tally.add(tokens)


_PROMPT, _COMPLETION, _CACHED = (TOKENS.of(kind) for kind in ("prompt", "completion", "cached"))
_OVERHEAD_OF = {answer: OWN_OVERHEAD.of(answer) for answer in ("stream", "whole")}
_FIRST_BYTE_OF = {answer: FIRST_BYTE.of(answer) for answer in ("stream", "whole")}
