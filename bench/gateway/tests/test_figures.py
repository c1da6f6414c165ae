"""Medians, spreads, ratios, and what they say of the goals."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.gateway.figures import Figures
from bench.gateway.goals import judge
from bench.gateway.results import read_latest, replace_report, report_of, result_of, write_latest
from bench.gateway.tables import WHOLE, of_contenders
from deploy.local.failures import LocalFailure

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def figures() -> Figures:
    return Figures(
        {
            "requests_per_second": {
                "direct": [60_000],
                "nginx": [29_000, 30_000, 31_000],
                "gateway": [6_000, 6_300, 9_000],
            },
            "p50_ms_one_connection": {"direct": [0.02], "nginx": [0.1], "gateway": [0.5]},
            "cpu_us_per_chunk": {"nginx": [20.0], "gateway": [30.0]},
            "crowd_memory_mb": {"gateway": [100.0, 104.0, 120.0]},
        }
    )


def test_one_slow_run_does_not_move_the_median(figures: Figures) -> None:
    assert figures.median("requests_per_second", "gateway") == 6_300


def test_the_spread_is_a_share_of_the_median(figures: Figures) -> None:
    assert figures.spread("requests_per_second", "nginx") == pytest.approx(2_000 / 30_000)
    assert figures.spread("requests_per_second", "direct") is None


def test_ratios_are_to_the_median_of_the_other(figures: Figures) -> None:
    assert figures.ratio("requests_per_second", "gateway", to="nginx") == pytest.approx(0.21)
    assert figures.added("p50_ms_one_connection", "gateway", to="direct") == pytest.approx(0.48)


def test_what_was_not_measured_has_no_figure(figures: Figures) -> None:
    assert figures.median("first_byte_p50_ms", "gateway") is None
    assert figures.ratio("cpu_us_per_chunk", "litellm", to="nginx") is None


def test_a_goal_is_met_missed_or_not_measured(figures: Figures) -> None:
    verdicts = {verdict.goal.what: verdict.is_met for verdict in judge(figures)}
    assert verdicts["requests/s at 32 connections, of bare nginx's"] is True
    assert verdicts["added at one connection, p50"] is False
    assert verdicts["CPU per relayed chunk, of nginx's"] is True
    assert verdicts["1,000 streams: growth of memory"] is False
    assert verdicts["two gateways, of the requests of one"] is None


def test_the_table_has_a_row_for_each_contender_that_was_measured(figures: Figures) -> None:
    rows = of_contenders(figures, WHOLE).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == ["direct", "nginx", "gateway"]
    assert "| 6,300 ± 24% | 21% |" in rows[2]


def test_the_result_has_the_promised_keys_and_every_sample(figures: Figures, tmp_path: Path) -> None:
    result = result_of(figures, how="quick", loads={"start": 0.5, "end": 1.0}, at=AT)
    write_latest(result, tmp_path / "results" / "latest.json")
    read = read_latest(tmp_path / "results" / "latest.json")
    assert read["requests_per_second_ratio_to_nginx"] == pytest.approx(0.21)
    assert read["cpu_per_chunk_ratio_to_nginx"] == pytest.approx(1.5)
    assert read["added_p50_ms"] == pytest.approx(0.48)
    assert read["samples"] == json.loads(json.dumps(figures.samples()))


def test_only_what_stands_between_the_marks_is_replaced(figures: Figures) -> None:
    report = report_of(result_of(figures, how="full", loads={"start": 0.5, "end": 1.0}, at=AT))
    document = "# Speed\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nThe end.\n"
    replaced = replace_report(document, report)
    assert "old" not in replaced
    assert replaced.startswith("# Speed\n<!-- bench:begin -->\n2026-11-23 12:00 UTC")
    assert replaced.endswith("<!-- bench:end -->\nThe end.\n")
    assert replace_report(replaced, report) == replaced


def test_a_document_without_a_place_for_the_tables_is_refused() -> None:
    with pytest.raises(LocalFailure, match="no place"):
        replace_report("# Speed\n", "tables")
