"""What is remembered between looks: of a log, of compose files."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chatbot_service.signals.file_sight import FileSight
from chatbot_service.signals.log_sight import DENIED, EITHER, ERROR, LogSight

NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
ERRORS = [
    'INFO:     10.0.0.7:51234 - "POST /chat HTTP/1.1" 500 Internal Server Error',
    '10.0.0.7 - - [01/Mar/2026] "GET / HTTP/1.1" 502 157 "-"',
    '{"path": "/chat", "status": 503, "ms": 12}',
    "level=error status_code=504 path=/chat",
    "httpx.ReadTimeout: the model API did not answer",
    "requests.exceptions.ConnectTimeout: HTTPSConnectionPool",
    "TimeoutError",
    "upstream timed out (110: Connection timed out)",
    "context deadline exceeded",
    "503 Service Unavailable",
]
HARMLESS = [
    'INFO:     10.0.0.7:51234 - "POST /chat HTTP/1.1" 200 OK',
    "REQUEST_TIMEOUT_SECONDS=60",
    "Timeout: 60",
    "listening on port 5000, 503 bytes",
    "wrote 500 rows",
    "",
]
DENIALS = ["PermissionError: [Errno 13] Permission denied: '/app/uploads/x'", "open /data: permission denied", "EACCES: x"]


def line(text: str, seconds: int = 0, nano: int = 0) -> tuple[str, str]:
    return (f"{NOW + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{nano:09}Z", text)


@pytest.mark.parametrize("text", ERRORS)
def test_a_line_that_tells_of_a_5xx_answer_or_a_time_out_counts(text: str) -> None:
    assert LogSight().read("c1", [line(text)], NOW).facts(NOW).errors == 1


@pytest.mark.parametrize("text", HARMLESS)
def test_a_line_that_does_not_counts_as_nothing(text: str) -> None:
    found = LogSight().read("c1", [line(text)], NOW).facts(NOW)
    assert (found.errors, found.denials) == (0, 0)


@pytest.mark.parametrize("text", DENIALS)
def test_a_denial_is_told_from_an_error(text: str) -> None:
    found = LogSight().read("c1", [line(text)], NOW).facts(NOW)
    assert (found.errors, found.denials) == (0, 1)


def test_lines_that_were_read_before_count_once() -> None:
    first = LogSight().read("c1", [line(ERRORS[0]), line(ERRORS[0], nano=1)], NOW)
    again = first.read("c1", [line(ERRORS[0]), line(ERRORS[0], nano=1), line(ERRORS[0], nano=2)], NOW)
    assert again.facts(NOW).errors == 3
    assert LogSight.of(again.as_data()) == again


def test_lines_that_fit_nothing_move_the_place_where_the_next_look_begins() -> None:
    sight = LogSight().read("c1", [], NOW, line("", 5)[0])
    assert sight.last_at("c1") == NOW + timedelta(seconds=5)
    assert sight.last_at("c2") is None
    assert LogSight().last_at("") is None


@pytest.mark.parametrize("text", [*ERRORS, *DENIALS, *HARMLESS])
def test_the_one_expression_that_is_asked_for_finds_what_either_finds(text: str) -> None:
    assert bool(re.search(EITHER.encode(), text.encode())) == bool(ERROR.search(text) or DENIED.search(text))


def test_counts_go_by_themselves_and_the_lines_with_them() -> None:
    sight = LogSight().read("c1", [line(ERRORS[0], -1), line(DENIALS[0], -1)], NOW)
    later = NOW + timedelta(minutes=11)
    assert (sight.facts(later).errors, sight.facts(later).error_lines, sight.facts(later).denials) == (0, (), 1)
    assert sight.read("c1", (), NOW + timedelta(minutes=70)).counts == {}


def test_what_is_kept_of_a_loud_log_is_bounded() -> None:
    loud = LogSight().read("c1", (line(ERRORS[0] + "x" * 9999, nano=number) for number in range(1, 5000)), NOW)
    assert loud.facts(NOW).errors == 4999
    assert len(str(loud.as_data())) < 3000


def test_a_line_from_a_clock_that_is_ahead_counts_as_now() -> None:
    ahead = LogSight().read("c1", [line(ERRORS[0], 7200), ("not a moment", ERRORS[0])], NOW)
    assert ahead.facts(NOW).errors >= 1
    assert ahead.facts(NOW + timedelta(minutes=11)).errors == 0


# Compose files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.yml").write_text("services: {}\n")
    (tmp_path / "pin.yml").write_text("services: {x: {}}\n")
    return tmp_path


def test_what_the_last_job_left_is_what_later_looks_compare_with(folder: Path) -> None:
    first = FileSight().look(str(folder), ["a.yml", "pin.yml"], 100.0)
    assert first.changed == ()
    (folder / "a.yml").write_text("services: {changed: {}}\n")
    seen = FileSight.of(first.as_data()).look(str(folder), ["a.yml", "pin.yml"], 100.0)
    assert [name for name, _how in seen.changed] == ["a.yml"]
    assert "became" in seen.changed[0][1]
    assert seen.look(str(folder), ["a.yml", "pin.yml"], 200.0).changed == ()


def test_a_file_that_is_put_back_is_changed_no_more(folder: Path) -> None:
    first = FileSight().look(str(folder), ["a.yml"], 0.0)
    (folder / "a.yml").write_text("other\n")
    assert first.look(str(folder), ["a.yml"], 0.0).changed
    (folder / "a.yml").write_text("services: {}\n")
    assert first.look(str(folder), ["a.yml"], 0.0).changed == ()


def test_a_file_that_is_gone_or_a_link_out_of_the_folder_is_told(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    first = FileSight().look(str(folder), ["a.yml", "pin.yml"], 0.0)
    (folder / "a.yml").unlink()
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("secret")
    (folder / "pin.yml").unlink()
    (folder / "pin.yml").symlink_to(outside)
    seen = first.look(str(folder), ["a.yml", "pin.yml"], 0.0)
    assert dict(seen.changed) == {"a.yml": "is no longer there", "pin.yml": "can no longer be read"}


def test_a_pipe_in_place_of_a_file_holds_nobody_up(folder: Path) -> None:
    first = FileSight().look(str(folder), ["a.yml"], 0.0)
    (folder / "a.yml").unlink()
    os.mkfifo(folder / "a.yml")
    assert first.look(str(folder), ["a.yml"], 0.0).changed == (("a.yml", "can no longer be read"),)


def test_a_file_that_did_not_change_is_not_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FileSight().look(str(folder), ["a.yml"], 0.0)
    monkeypatch.setattr("chatbot_service.signals.file_sight._hash", lambda *_: pytest.fail("it was read again"))
    assert first.look(str(folder), ["a.yml"], 0.0) == first


def test_other_files_named_in_the_settings_are_a_new_beginning(folder: Path) -> None:
    first = FileSight().look(str(folder), ["a.yml"], 0.0)
    assert first.look(str(folder), ["a.yml", "pin.yml"], 0.0).changed == ()
