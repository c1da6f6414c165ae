"""What is counted is what Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, generate_latest

from shared.tallies import Tallies

NAME, WHAT, LABELS = "requests", "That have ended.", ("route", "status")


def test_they_are_told_as_the_usual_counters_are() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tallies = Tallies(NAME, WHAT, LABELS, registry=ours)
    counter = Counter(NAME, WHAT, LABELS, registry=theirs)
    for route, status, amount in [("/a", 200, 1), ("/a", 200, 41), ("/b", 404, 1), ('/"\\\n', 500, 1)]:
        tallies.of(route, status).add(amount)
        counter.labels(route, status).inc(amount)
    told = generate_latest(ours).decode().splitlines()
    assert told == [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert 'requests_total{route="/a",status="200"} 42.0' in told


def test_what_was_never_counted_is_not_told() -> None:
    registry = CollectorRegistry()
    Tallies(NAME, WHAT, LABELS, registry=registry)
    assert b"{" not in generate_latest(registry)
