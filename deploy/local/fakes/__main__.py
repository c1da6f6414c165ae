"""python -m deploy.local.fakes PORT HOOKS_URL: the stand-ins of Stripe and BTCPay as a process."""

import os
import sys

import uvicorn

from deploy.local.fakes.app import Fakes
from deploy.local.fakes.settings import from_environment, refusal

if __name__ == "__main__":
    if sentence := refusal(os.environ):
        sys.exit(sentence)
    port, hooks_at = sys.argv[1:]
    uvicorn.run(
        Fakes(from_environment(hooks_at)).app(),
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
    )
