"""docs/reliability.md, from the results."""


def write() -> None:
    raise NotImplementedError
