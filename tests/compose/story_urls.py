"""Where the two places listen on this host (deploy/compose/*.env)."""

FROM_HOST = "127.0.0.1:8503"
PRODUCTION = f"http://{FROM_HOST}"
SECOND = "http://127.0.0.2:8503"
STAGING = "http://127.0.0.1:8505"
