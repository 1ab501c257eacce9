"""The real ports of day-2 operation: a worker that lost its job writes no file, and a fingerprint tells nothing."""

from pathlib import Path

import pytest

from chatbot_service.environment_folder import EnvironmentFolder
from chatbot_service.jobs.step import Fenced
from chatbot_service.operation_wiring import FencedFile, fingerprint
from deploy_records.errors import Refused


def lost() -> None:
    raise Fenced("another worker has taken the job over")


def test_a_worker_that_lost_its_job_reads_and_does_not_write(tmp_path: Path) -> None:
    file = FencedFile(EnvironmentFolder(str(tmp_path)), lost)
    assert file.read() is None
    with pytest.raises(Fenced):
        file.write("A=1\n")
    assert not (tmp_path / ".env").exists()


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    folder = EnvironmentFolder(str(tmp_path))
    folder.write("A=1\n")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".env").chmod(0o644)
    folder.write("A=2\n")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o644
    assert folder.read() == "A=2\n"
    folder.write(None)
    folder.write(None)
    assert folder.read() is None


@pytest.mark.parametrize("kind", ["folder", "bytes", "large", "nowhere"])
def test_what_is_no_environment_file_is_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ".env"
    if kind == "folder":
        file.mkdir()
    elif kind == "bytes":
        file.write_bytes(b"A=\xff\n")
    elif kind == "large":
        file.write_text("A=" + "x" * 600_000)
    with pytest.raises(Refused):
        EnvironmentFolder(str(tmp_path / "gone" if kind == "nowhere" else tmp_path)).read()


def test_a_fingerprint_is_stable_and_no_plain_hash() -> None:
    assert fingerprint("A=1") == fingerprint("A=1") != fingerprint("A=2")
    assert len(fingerprint("A=1")) == 64
