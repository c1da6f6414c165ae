"""Counted as Prometheus' own histogram counts, sample by sample."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from shared.durations import Durations

BOUNDS = (0.001, 0.5, 2.5, 10.0)


def lines_of(registry: CollectorRegistry) -> list[str]:
    """Without when each began, which is asked for by nobody here."""
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(st.lists(st.tuples(st.sampled_from(["/a", "/b"]), st.floats(0, 20) | st.sampled_from(BOUNDS))))
def test_it_says_what_the_usual_one_says(observed: list[tuple[str, float]]) -> None:
    usual, ours = CollectorRegistry(), CollectorRegistry()
    histogram = Histogram("spent_seconds", "Time.", ("route",), buckets=BOUNDS, registry=usual)
    durations = Durations("spent_seconds", "Time.", label="route", bounds=BOUNDS, registry=ours)
    for route, seconds in observed:
        histogram.labels(route).observe(seconds)
        durations.of(route).observe(seconds)
    assert lines_of(ours) == lines_of(usual)


def test_without_a_label_it_is_one_series() -> None:
    usual, ours = CollectorRegistry(), CollectorRegistry()
    Histogram("wait_seconds", "Time.", buckets=BOUNDS, registry=usual).observe(0.5)
    Durations("wait_seconds", "Time.", bounds=BOUNDS, registry=ours).of().observe(0.5)
    assert lines_of(ours) == lines_of(usual)
