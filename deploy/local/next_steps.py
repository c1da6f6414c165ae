"""What a newcomer tries next: three commands, with the values of this system in them."""

import shlex

from deploy.local.settings import ROOT, LocalSettings

QUESTION = '{"messages": [{"role": "user", "content": "What is the capital of France?"}]}'


def next_steps(settings: LocalSettings) -> str:
    url = settings.base_url
    default = settings.local_dir == ROOT / ".local"
    where = "" if default else f" LOCAL_DIR={shlex.quote(str(settings.local_dir))}"
    page = f"{url}/local/mail" if settings.runs_mailbox else f"{url}/dashboard"
    return "\n".join(
        [
            f"Try next (or register in a browser at {url}/register):",
            f"  KEY=$(make -s key EMAIL=you@example.com{where})",
            f"  curl {url}/v1/chat/completions -H \"Authorization: Bearer $KEY\" -H 'Content-Type: application/json' -d '{QUESTION}'",
            f"  xdg-open {page}",
        ]
    )
