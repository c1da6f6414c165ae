"""What CI is told of a change's price."""

from pathlib import Path

from bench.gateway.regression import compare, read_reference, verdict

REFERENCE = {"loop_us": 2_000.0, "request": 0.1, "chunk": 0.02, "waiting": 0.01}


def test_a_difference_within_the_noise_is_none() -> None:
    assert verdict(0.05) == verdict(-0.05) == "as before"


def test_a_dearer_request_is_told_apart_from_a_cheaper_one() -> None:
    assert "dearer" in verdict(0.2)
    assert "cheaper" in verdict(-0.2)


def test_beside_a_busy_neighbour_nothing_is_said_of_the_gateway() -> None:
    assert verdict(0.5, waiting=0.4) == "no verdict: others had its core for 40% of the time"


def test_a_slower_machine_is_not_a_slower_gateway() -> None:
    said = compare({"loop_us": 4_000.0, "request": 0.1, "chunk": 0.02, "waiting": 0.01}, REFERENCE)
    assert "| per request | 400 | 0.100 | 0.100 | 0 % | as before |" in said


def test_without_a_reference_the_figures_are_told_all_the_same(tmp_path: Path) -> None:
    said = compare(REFERENCE, read_reference(tmp_path / "none.json"))
    assert "| per chunk | 40 | 0.020 | – | – | no reference |" in said
