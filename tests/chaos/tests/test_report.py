"""Results add up over runs, and the page says what they say: also what was red, and how to repeat it."""

from dataclasses import replace
from pathlib import Path

from tests.chaos.report import TEMPLATE, render
from tests.chaos.results import Result, append, read

GREEN = Result(
    experiment="E3",
    seed=7,
    seconds=60.0,
    faults={"SIGSTOP 5 s": 5, "SIGSTOP 45 s": 1},
    not_reached=[],
    statuses={"200": 900, "503": 100},
    figures={
        "requests": 1000,
        "generated": 900,
        "tokens": 9000,
        "lost": 0,
        "duplicated": 0,
        "phantom": 0,
        "overspent": 0,
        "uncharged": 3,
        "undelivered": 2,
        "mails_again": 1,
        "revocations": 4,
    },
    recovery_ms=[100, 300],
    quiet_ms=2000,
    revocation_ms=[0, 40],
    violations=[],
    footprint={"gateway": (80, 20)},
    commit="abc1234",
    run="2026-11-23T20:00Z make chaos SEED=7",
)
RED = replace(
    GREEN,
    seed=8,
    figures={**GREEN.figures, "lost": 1},
    violations=["I3: Ab3dEf7h-1 was generated and not charged", "I9: the same"],
)


def test_results_add_up_over_runs(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    append([GREEN], file)
    append([RED], file)
    found = read(file)
    assert [(each.experiment, each.seed, each.is_green) for each in found] == [
        ("E3", 7, True),
        ("E3", 8, False),
    ]
    assert found[1].violations == RED.violations


def test_the_page_has_the_counts_of_all_runs() -> None:
    page = render(TEMPLATE.read_text(encoding="utf-8"), [GREEN, RED])
    assert "| seeds run | 2 |" in page
    assert "| faults injected | 12 |" in page
    assert "| requests | 2,000 |" in page
    assert "| E3 | SIGSTOP for 5 s and 45 s | 2 | 1 | 12 | 2,000 | 1 | 0 | 0 | 0 |" in page
    assert "<!--" not in page


def test_the_page_has_each_command_and_each_seed() -> None:
    page = render(TEMPLATE.read_text(encoding="utf-8"), [GREEN, RED])
    assert (
        "| 2026-11-23T20:00Z | `make chaos SEED=7` | abc1234 | 2 | 1 | 2 | 80 MB and 80 MB | 20 and 20 |\n"
        in page
    )
    assert "| E3 | 7, 8 |" in page


def test_a_red_seed_stays_on_the_page_with_the_command_that_repeats_it() -> None:
    page = render(TEMPLATE.read_text(encoding="utf-8"), [GREEN, RED])
    assert (
        "`make chaos EXPERIMENT=E3 SEED=8` | I3: Ab3dEf7h-1 was generated and not charged, and 1 more |"
        in page
    )


def test_a_soak_is_told_in_quarters_and_by_how_late_things_arrived() -> None:
    run = "2026-11-24T11:00Z make chaos SEED=7 SOAK=10m"
    soak = [
        replace(
            GREEN,
            run=run,
            footprint={"gateway": (80 + at, 20), "billing": (100, 30)},
            lag_ms={"usage": (120 + at, 900 + at), "events": (40, 70)},
        )
        for at in range(8)
    ]
    page = render(TEMPLATE.read_text(encoding="utf-8"), soak)
    named = "| `make chaos SEED=7 SOAK=10m`, 2026-11-24T11:00Z "
    assert f"{named}| 1 | 2 | 180 MB | 181 MB | 50 | 50 | 0.12 s | 0.04 s |\n" in page
    assert f"{named}| 4 | 2 | 186 MB | 187 MB | 50 | 50 | 0.13 s | 0.04 s |\n" in page
    assert "| E3 | 8 | 0.12 s | 0.9 s | 0.04 s | 0.1 s |" in page
