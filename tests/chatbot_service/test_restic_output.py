"""What restic prints with --json, as facts; lines that no version of it should print do no harm."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.backup_ports import Measure
from chatbot_service.restic_output import Said, checked, moment, node, packs_named


def heard(*lines: object) -> Said:
    said = Said()
    for line in lines:
        said.hear(line if isinstance(line, str) else json.dumps(line))
    return said


def test_how_far_it_is_comes_from_backup_and_restore_alike() -> None:
    backup = {
        "message_type": "status",
        "total_files": 7,
        "files_done": 2,
        "total_bytes": 30,
        "bytes_done": 20,
        "seconds_remaining": 3,
    }
    restore = {"message_type": "status", "total_files": 7, "files_restored": 2, "total_bytes": 30, "bytes_restored": 20}
    assert heard(backup).measure == Measure(20, 30, 2, 7, 3.0)
    assert heard(restore).measure == Measure(20, 30, 2, 7, None)


def test_a_file_that_cannot_be_read_is_named_once() -> None:
    error = {"message_type": "error", "error": {"message": "open /d/x: permission denied"}, "during": "archival", "item": "/d/x"}
    assert list(heard(error, error | {"during": "scan"}).unreadable.values()) == ["open /d/x: permission denied"]


@pytest.mark.parametrize(
    "words",
    [
        "parts of /d/x not found in the repository index; storing the file again",
        f"tree {'ab' * 32} is not known; the repository could be damaged, run `repair index` to try to repair it",
    ],
)
def test_what_is_stored_again_as_its_copy_was_lost_is_nothing_that_cannot_be_read(words: str) -> None:
    said = heard({"message_type": "error", "error": {"message": words}, "during": "archival", "item": "/d/x"})
    assert (said.unreadable, list(said.words)) == ({}, [words])


def test_however_many_errors_there_are_a_hundred_are_kept() -> None:
    errors = [
        {"message_type": "error", "error": {"message": "denied"}, "during": "archival", "item": f"/{number}"}
        for number in range(500)
    ]
    said = heard(*errors, *(f"line {number}" for number in range(500)))
    assert (len(said.unreadable), len(said.errors), len(said.words)) == (100, 100, 100)


def test_retries_count_until_one_helps() -> None:
    again = "Stat(<config/>) returned error, retrying after 1.05s: connection refused"
    assert heard(again, again).retries == 2
    assert heard(again, again, "Stat(<config/>) operation successful after 2 retries").retries == 0


def test_a_pack_that_is_merely_not_needed_is_no_damage() -> None:
    name = "ab" * 32
    assert packs_named(heard({"message_type": "error", "message": f"pack {name}: not referenced in any index\n"})) == set()
    assert packs_named(heard({"message_type": "error", "message": f"pack {name}: does not exist\n"})) == {name}


def test_the_beginning_of_a_name_is_completed_from_those_that_are_there() -> None:
    said = heard({"message_type": "error", "message": "decrypting blob <tree/1a16cd2e> from cd43526d failed: no\n"})
    whole = "cd43526d" + "0" * 56
    assert checked(said, [whole, "ab" * 32]).damaged_packs == (whole,)


def test_special_bits_are_as_in_stat() -> None:
    row = {
        "message_type": "node",
        "path": "/x",
        "type": "file",
        "mode": 0o755 | 1 << 23 | 1 << 20,
        "mtime": "2026-11-23T18:15:38Z",
    }
    found = node(json.dumps(row).encode())
    assert found
    assert (found.mode, found.size) == (0o5755, 0)
    assert node(b'{"message_type": "snapshot"}') is None


def test_moments_with_nanoseconds_and_zones_are_utc() -> None:
    assert moment("2026-11-23T18:15:38.522834401Z") == datetime(2026, 11, 23, 18, 15, 38, 522834, tzinfo=UTC)
    assert moment("2026-11-23T20:15:38.5+02:00") == datetime(2026, 11, 23, 18, 15, 38, 500000, tzinfo=UTC)
    assert moment("0000-01-01T00:00:00Z").year == 1


@given(st.text())
def test_no_line_breaks_the_hearing(line: str) -> None:
    for one in (line, "{" + line, json.dumps({"message_type": "error", "message": line})):
        assert heard(one).text is not None
