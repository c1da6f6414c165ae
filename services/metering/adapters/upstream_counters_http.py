"""The token counters of llama-servers, where they offer them (`endpoint_metrics`): of all of them together."""

from collections.abc import Iterable

import httpx

from services.metering.domain.audit.generations import Counters

TIMEOUT_SECONDS = 5.0
PROMPT = ("llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total")
"""What was worked through and what its cache had: together what answers call their prompt's tokens."""
PROCESS = "process-start-time-unix"
"""A header of llama-server's, whatever it says (its clock is not ours): another process says something else."""
PROCESS_LENGTH_MAX = 32
COMPLETION = ("llamacpp:tokens_predicted_total",)


class CountersUnavailable(Exception):
    """A server does not answer, or counts nothing that we know."""


async def read_counters(base_urls: Iterable[str], api_key: str) -> Counters:
    """Raises CountersUnavailable."""
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, headers=headers, trust_env=False) as client:
        every = [await _read(client, url) for url in base_urls]
    return Counters(
        sum(each.prompt for each in every),
        sum(each.completion for each in every),
        " ".join(each.servers for each in every).strip(),
    )


async def _read(client: httpx.AsyncClient, base_url: str) -> Counters:
    try:
        reply = await client.get(f"{base_url.rstrip('/')}/metrics")
        values = dict(_values_in(reply.raise_for_status().text))
        return Counters(
            sum(round(values[name]) for name in PROMPT if name in values or name == PROMPT[0]),
            sum(round(values[name]) for name in COMPLETION),
            reply.headers.get(PROCESS, "")[:PROCESS_LENGTH_MAX],
        )
    except (httpx.HTTPError, KeyError, ValueError, OverflowError) as error:
        raise CountersUnavailable(type(error).__name__) from error


def _values_in(text: str) -> Iterable[tuple[str, float]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.rsplit(maxsplit=1)
            yield name, float(value)
