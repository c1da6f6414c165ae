"""What /v1 answers when it does not answer: the errors, each with the way out in its message.

PromptlyError
├── InvalidRequest          400, and its finer codes below
│   ├── BodyUnreadable
│   ├── MissingParameter
│   ├── UnsupportedParameter
│   ├── BodyEncoded
│   └── ContextLengthExceeded
├── BodyTooLarge            413
├── KeyRefused              401
├── InsufficientQuota       402
├── RateLimited             429
├── UnknownUrl, ModelNotFound, NotOffered, RequestNotPosted, ReceiptsNotSigned 404
├── MethodNotAllowed        405
├── UpstreamFailed          502
│   ├── UpstreamUnreachable
│   └── UpstreamRefusesUs   and will again
├── UpstreamTimedOut        504
└── Overloaded, ModelLoading  503, come again
"""

from collections.abc import Iterable
from uuid import UUID

from shared.errors import Kind, PromptlyError


class InvalidRequest(PromptlyError):
    """A field has a value that cannot be used."""

    kind = Kind.INVALID
    code = "invalid_value"


class BodyUnreadable(InvalidRequest):
    """The body is not one JSON object."""

    code = "invalid_json"


class MissingParameter(InvalidRequest):
    """A field that is needed is absent."""

    code = "missing_required_parameter"


class UnsupportedParameter(InvalidRequest):
    """A field that this service refuses by name."""

    code = "unsupported_parameter"


class BodyEncoded(InvalidRequest):
    """The body is packed in a way that is not unpacked here."""

    code = "unsupported_content_encoding"


class ContextLengthExceeded(InvalidRequest):
    """The prompt is longer than the model's context."""

    code = "context_length_exceeded"


class BodyTooLarge(PromptlyError):
    """The body has more bytes than a request may have."""

    kind = Kind.TOO_LARGE
    code = "request_too_large"


class KeyRefused(PromptlyError):
    """There is no key, or it is malformed, unknown or revoked."""

    kind = Kind.UNAUTHENTICATED
    code = "invalid_api_key"


class InsufficientQuota(PromptlyError):
    """The balance is spent."""

    kind = Kind.PAYMENT
    code = "insufficient_quota"


class RateLimited(PromptlyError):
    """Too many requests, or too many at once."""

    kind = Kind.LIMITED
    code = "rate_limit_exceeded"


class UnknownUrl(PromptlyError):
    """Nothing is served under this path."""

    kind = Kind.NOT_FOUND
    code = "unknown_url"


class ModelNotFound(PromptlyError):
    """A model that is not loaded."""

    kind = Kind.NOT_FOUND
    code = "model_not_found"


class RequestNotPosted(PromptlyError):
    """A request that the ledger does not know, or not yet."""

    kind = Kind.NOT_FOUND
    code = "request_not_found"

    def __init__(self, request_id: UUID) -> None:
        message = (
            f"No request {request_id} of this account is posted. One that is still running is posted when it has "
            "ended, usually within a second: ask again then."
        )
        super().__init__(message, param="request_id")


class ReceiptsNotSigned(PromptlyError):
    """The operator has set no key to sign with: no SDK should try again."""

    kind = Kind.NOT_FOUND
    code = "receipts_not_signed"

    def __init__(self) -> None:
        super().__init__("Receipts are not signed here: ask without 'signed=true'.", param="signed")


class NotOffered(PromptlyError):
    """The loaded model cannot do this."""

    kind = Kind.NOT_FOUND
    code = "not_offered"


class MethodNotAllowed(PromptlyError):
    """The path exists, but not with this method."""

    kind = Kind.METHOD
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"{method} is not allowed here; allowed: {', '.join(self.allowed)}.")


class UpstreamFailed(PromptlyError):
    """The model server broke off, or said what we do not understand."""

    kind = Kind.UPSTREAM
    code = "upstream_error"


class UpstreamUnreachable(UpstreamFailed):
    """No connection to the model server: it has not seen the request."""


class UpstreamRefusesUs(UpstreamFailed):
    """Our key or our configuration is wrong: the operator's business."""


class UpstreamTimedOut(PromptlyError):
    """The model server said nothing for too long."""

    kind = Kind.UPSTREAM_TIMEOUT
    code = "upstream_timeout"


class Overloaded(PromptlyError):
    """No room for this request now, or a part we need is down."""

    kind = Kind.UNAVAILABLE
    code = "overloaded"


class ModelLoading(PromptlyError):
    """The model server is up, but its model is not loaded yet."""

    kind = Kind.UNAVAILABLE
    code = "model_loading"
