"""What stops a start: one sentence that names the cause and the way out, shown to a person as it is."""


class LocalFailure(Exception):
    """A start that cannot go on; its text is the whole message."""
