"""Reading what people send: small forms, the kind of answer they want, where they call from."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from shared.errors import Kind, PromptlyError

FORM_TYPE = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 8 * 1024
"""An address or a key is far smaller."""
FORM_FIELDS_MAX = 20


class FormTooLarge(PromptlyError):
    """More was sent than any form here holds."""

    kind = Kind.TOO_LARGE
    code = "form_too_large"


class NotAForm(PromptlyError):
    """The body is not what an HTML form sends."""

    kind = Kind.INVALID
    code = "not_a_form"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form; of equal names the last one counts."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != FORM_TYPE:
        raise NotAForm(f"Please send the form as {FORM_TYPE}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise FormTooLarge(f"A form may have at most {FORM_BYTES_MAX} bytes.")
    return _fields(bytes(body))


def wants_json(request: Request) -> bool:
    """Browsers ask for HTML, and who asks for nothing in particular gets it, too."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise NotAForm("The form cannot be read.") from error
    return dict(pairs)
