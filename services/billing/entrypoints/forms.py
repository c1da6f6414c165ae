"""Reads what a form sends."""

from urllib.parse import parse_qsl

from fastapi import Request

from shared.errors import Kind, PromptlyError

FORM_BYTES_MAX = 8 * 1024
"""The form has a few short fields."""
FORM_FIELDS_MAX = 20


class NotAForm(PromptlyError):
    """The body is not what a form sends, or far more than that."""

    kind = Kind.INVALID
    code = "not_a_form"


async def read_form(request: Request) -> dict[str, str]:
    """Nothing without a body; the fields of an urlencoded one."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            raise NotAForm(f"A form has at most {FORM_BYTES_MAX} bytes.")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX))
    except ValueError as error:
        raise NotAForm("The form cannot be read: send it as application/x-www-form-urlencoded.") from error
