"""What JSON Schema cannot say of a body, for schemathesis (SCHEMATHESIS_HOOKS)."""

from typing import Any

import schemathesis


@schemathesis.hook
def filter_case(_: Any, case: Any) -> bool:
    """A chosen tool must be one of `tools`, a required one be there; `top_logprobs` goes with `logprobs`."""
    body = case.body if isinstance(case.body, dict) else {}
    chooses = isinstance(body.get("tool_choice"), dict) or body.get("tool_choice") == "required"
    ranks = body.get("top_logprobs") is not None and body.get("logprobs") is not True
    return not chooses and not ranks
