"""The cookie of a signed-in browser: accounts sets it, billing hands its value to `/internal/identify`."""

SESSION_COOKIE = "promptly_session"
