"""`python -m services.gateway` serves the /v1 API. There is no schema to migrate.

`python -m services.gateway replay` publishes again what the settlement streams keep: for a broker that was emptied.
"""

import asyncio
import sys

from services.gateway.app import build_app, replay
from services.gateway.settings import GatewaySettings
from shared.process import main
from shared.settings import load

if __name__ == "__main__":
    if sys.argv[1:] == ["replay"]:
        records = asyncio.run(replay(load(GatewaySettings)))
        sys.stdout.write(f"{records} usage records published again\n")
    else:
        main("gateway", GatewaySettings, build_app)
