"""Fixtures that every test may use. They start nothing until a test asks for them."""

pytest_plugins = [
    "tests.support.servers",
    "tests.support.stack",
    "tests.support.fleet",
    "tests.support.told_at_once",
    "tests.support.workers",
]
