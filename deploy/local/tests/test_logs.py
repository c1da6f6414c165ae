"""Logs in a terminal: one aligned line each, narrowed to what is looked for; as they are kept when asked for raw."""

import json
import threading
from pathlib import Path

import pytest

from deploy.local.commands.logs import logs, options_of
from deploy.local.failures import LocalFailure
from deploy.local.log_lines import Wanted, read_line, render
from deploy.local.log_sources import Extent, of_container, of_files
from deploy.local.settings import load_settings
from tests.support.wait_until import wait_until

REQUEST = "019a3f6e-7b1a-7c3d-8e2f-0123456789ab"
OTHER = "019a3f6e-7b1a-7c3d-8e2f-ba9876543210"
SERVED = {
    "event": "request", "level": "info", "timestamp": "2026-11-23T15:48:32.123456Z", "service": "gateway",
    "method": "POST", "path": "/v1/chat/completions", "status": 200, "duration_ms": 12.3,
    "account_id": "Ab3dE5gH", "request_id": REQUEST, "trace_id": REQUEST.replace("-", ""),
}  # fmt: skip
PARKED = {
    "event": "message_processed", "level": "warning", "timestamp": "2026-11-23T15:48:31Z", "service": "metering",
    "outcome": "park", "reason": "poison: older than the retention", "request_id": OTHER,
}  # fmt: skip


@pytest.fixture
def local_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "gateway.log").write_text(json.dumps(SERVED) + "\n")
    (folder / "metering.log").write_text(json.dumps(PARKED) + "\n")
    (folder / "postgres.log").write_text(
        "2026-11-23 15:48:30.000 UTC [7] FATAL:  the database is starting up\n"
    )
    return tmp_path


def shown(local_dir: Path, capsys: pytest.CaptureFixture[str], **given: str) -> list[str]:
    settings = load_settings({"LOCAL_DIR": str(local_dir)}, env_file=Path("/dev/null"))
    assert logs(settings, {"FOLLOW": "0", **given}) == 0
    return capsys.readouterr().out.splitlines()


def test_a_line_says_when_who_how_bad_and_what_and_last_whose() -> None:
    assert render(read_line("gateway", json.dumps(SERVED)), colour=False) == (
        "15:48:32.123 gateway      info     request                POST /v1/chat/completions 200 duration_ms=12.3"
        f" account=Ab3dE5gH request={REQUEST}"
    )


def test_whatever_a_line_holds_it_is_one_line() -> None:
    crash = SERVED | {"exception": "Traceback ...\n  File x\nValueError: first\nsecond"}
    assert "\n" not in render(read_line("gateway", json.dumps(crash)), colour=True)


def test_colours_are_for_terminals_only() -> None:
    line = read_line("gateway", json.dumps(PARKED))
    assert "\x1b[33mwarning" in render(line, colour=True)
    assert "\x1b" not in render(line, colour=False)


def test_lines_of_all_processes_come_in_the_order_of_their_times(
    local_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = shown(local_dir, capsys)
    assert len(lines) == 3
    assert [line.split()[1] for line in lines[1:]] == ["metering", "gateway"]


@pytest.mark.parametrize(
    ("given", "sources"),
    [
        ({"SERVICE": "metering"}, {"metering"}),
        ({"SERVICE": "metering,postgres"}, {"metering", "postgres"}),
        ({"LEVEL": "warning"}, {"metering", "postgres"}),
        ({"LEVEL": "error"}, {"postgres"}),
        ({"REQUEST": REQUEST}, {"gateway"}),
        ({"REQUEST": OTHER.replace("-", "")}, {"metering"}),
        ({"REQUEST": REQUEST, "LEVEL": "error"}, set()),
    ],
)
def test_they_are_narrowed_to_what_is_looked_for(
    local_dir: Path, capsys: pytest.CaptureFixture[str], given: dict[str, str], sources: set[str]
) -> None:
    raw = [json.dumps(SERVED), json.dumps(PARKED)]
    found = shown(local_dir, capsys, RAW="1", **given)
    names = {raw[0]: "gateway", raw[1]: "metering"}
    assert {names.get(line, "postgres") for line in found} == sources


def test_raw_lines_are_the_json_that_was_written(local_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(shown(local_dir, capsys, RAW="1", SERVICE="gateway")[0]) == SERVED


def test_who_looks_for_one_request_looks_through_all_there_is(
    local_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = "".join(json.dumps(SERVED | {"request_id": OTHER, "trace_id": ""}) + "\n" for _ in range(50))
    with (local_dir / "log" / "gateway.log").open("a") as log:
        log.write(later)
    assert len(shown(local_dir, capsys, SERVICE="gateway")) == 20
    assert len(shown(local_dir, capsys, SERVICE="gateway", REQUEST=REQUEST)) == 1


def test_a_log_is_followed_into_its_successor(tmp_path: Path) -> None:
    path, seen = tmp_path / "gateway.log", list[str]()
    path.write_text("one\n")
    lines = of_files([path], Extent(None, is_followed=True))

    def read_each() -> None:
        for _ in range(3):
            seen.append(next(lines).raw)

    reading = threading.Thread(target=read_each, daemon=True)
    reading.start()
    wait_until(lambda: seen == ["one"])
    with path.open("a") as log:
        log.write("two\n")
    wait_until(lambda: seen == ["one", "two"])
    path.rename(tmp_path / "gateway.log.1")
    path.write_text("three\n")
    wait_until(lambda: seen == ["one", "two", "three"])
    reading.join()
    lines.close()


def test_a_containers_line_keeps_which_replica_wrote_it() -> None:
    line = of_container(f"\x1b[2Kgateway-2  | {json.dumps(SERVED)}\n")
    assert (line.source, line.said) == ("gateway-2", SERVED)


def test_a_time_without_milliseconds_is_shown_as_far_as_it_goes() -> None:
    line = read_line("edge-1", '{"time":"2026-11-23T15:48:32+00:00","method":"GET","path":"/","status":200}')
    assert render(line, colour=False).startswith("15:48:32     edge-1       info     request ")


def test_nginxs_own_lines_are_as_bad_as_their_status() -> None:
    assert read_line("access", '{"time":"2026-11-23T15:48:32+00:00","status":502}').level == "error"
    assert read_line("access", '{"time":"2026-11-23T15:48:32+00:00","status":404}').level == "info"


@pytest.mark.parametrize("given", [{"LEVEL": "loud"}, {"SERVICE": "nobody"}])
def test_what_is_not_there_is_told_with_what_is(
    local_dir: Path, capsys: pytest.CaptureFixture[str], given: dict[str, str]
) -> None:
    with pytest.raises(LocalFailure, match="choose"):
        shown(local_dir, capsys, **given)


def test_it_follows_the_last_lines_of_everything_unless_told_otherwise() -> None:
    options = options_of({})
    assert (options.services, options.wanted, options.extent) == ((), Wanted(), Extent(20, is_followed=True))
