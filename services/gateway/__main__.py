"""`python -m services.gateway` serves the /v1 API. There is no schema to migrate."""

from services.gateway.app import build_app
from services.gateway.settings import GatewaySettings
from shared.process import main

if __name__ == "__main__":
    main("gateway", GatewaySettings, build_app)
