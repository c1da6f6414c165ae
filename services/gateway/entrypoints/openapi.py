"""GET /openapi.json: what /v1 accepts and answers, for programs."""

import json

from starlette.requests import Request
from starlette.responses import Response

from services.gateway.domain.openapi_document import build_document

OPENAPI_PATH = "/openapi.json"
FRESH_SECONDS = 300


class OpenApi:
    """Readable by pages of every origin: it is the same for everybody."""

    def __init__(self, base_url: str) -> None:
        self._document = json.dumps(build_document(base_url)).encode()

    async def show(self, _: Request) -> Response:
        headers = {"cache-control": f"public, max-age={FRESH_SECONDS}", "access-control-allow-origin": "*"}
        return Response(self._document, media_type="application/json", headers=headers)
