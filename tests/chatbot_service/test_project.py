"""The project's folder: the pin file is replaced whole, copies are faithful and stay inside."""

import os
import socket
from pathlib import Path

import pytest

from chatbot_service.project import Folder
from deploy_records.errors import Refused

PIN = "docker-compose.prod.yml"
MEGABYTE = 1_000_000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def folder(project: Path) -> Folder:
    return Folder(str(project), PIN, project.parent / "copies")


def test_without_a_pin_file_there_is_nothing_to_read(folder: Folder) -> None:
    assert folder.read_pin() is None


def test_what_is_written_is_read_again(folder: Folder) -> None:
    folder.write_pin("services: {}\r\n# ü\n")
    assert folder.read_pin() == "services: {}\r\n# ü\n"


def test_nothing_written_removes_the_file_and_may_be_repeated(folder: Folder, project: Path) -> None:
    folder.write_pin("a: b\n")
    folder.write_pin(None)
    folder.write_pin(None)
    assert list(project.iterdir()) == []


def test_mode_and_owner_stay(folder: Folder, project: Path) -> None:
    file = project / PIN
    file.write_text("old")
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
    was = file.stat()
    folder.write_pin("new")
    now = file.stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (was.st_mode, was.st_uid, was.st_gid)


def test_who_holds_the_old_file_open_keeps_reading_it_whole(folder: Folder, project: Path) -> None:
    folder.write_pin("old and longer")
    with (project / PIN).open() as reader:
        folder.write_pin("new")
        assert reader.read() == "old and longer"


def test_what_a_crash_left_behind_does_not_stop_the_next_write(folder: Folder, project: Path) -> None:
    (project / f".{PIN}.new").write_text("half")
    folder.write_pin("whole")
    assert [file.name for file in project.iterdir()] == [PIN]


@pytest.mark.parametrize("name", ["../pin.yml", "/etc/passwd", "", ".", "sub/../../pin.yml"])
def test_a_pin_file_outside_the_folder_is_refused(project: Path, name: str) -> None:
    outside = Folder(str(project), name, project.parent / "copies")
    with pytest.raises(Refused, match="not a plain file"):
        outside.read_pin()
    with pytest.raises(Refused, match="not a plain file"):
        outside.write_pin("x")


def test_a_pin_file_that_is_a_link_is_refused(folder: Folder, project: Path) -> None:
    (project.parent / "secret").write_text("untouched")
    (project / PIN).symlink_to(project.parent / "secret")
    with pytest.raises(Refused):
        folder.read_pin()
    with pytest.raises(Refused):
        folder.write_pin("x")
    assert (project.parent / "secret").read_text() == "untouched"


def test_a_folder_on_the_way_that_leads_outside_is_refused(project: Path) -> None:
    (project.parent / "elsewhere").mkdir()
    (project / "sub").symlink_to(project.parent / "elsewhere")
    with pytest.raises(Refused):
        Folder(str(project), "sub/pin.yml", project.parent / "copies").write_pin("x")
    assert list((project.parent / "elsewhere").iterdir()) == []


def test_a_missing_project_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no folder"):
        Folder(str(tmp_path / "gone"), PIN, tmp_path / "copies").read_pin()


@pytest.mark.parametrize(("content", "why"), [(b"\xff\xfe", "not UTF-8"), (b"#" * 1_000_001, "larger than 1 MB")])
def test_a_pin_file_that_is_no_text_or_too_large_is_refused(folder: Folder, project: Path, content: bytes, why: str) -> None:
    (project / PIN).write_bytes(content)
    with pytest.raises(Refused, match=why):
        folder.read_pin()


def data(project: Path) -> Path:
    uploads = project / "uploads"
    (uploads / "deep").mkdir(parents=True)
    (uploads / "deep" / "note.txt").write_text("kept")
    (uploads / "deep" / "note.txt").chmod(0o600)
    (uploads / "link").symlink_to("/etc/passwd")
    return uploads


def test_a_copy_has_content_modes_and_links_and_is_apart(folder: Folder, project: Path) -> None:
    uploads = data(project)
    copied = folder.throw_away_copy(str(uploads), MEGABYTE)
    assert copied
    note = Path(copied) / "deep" / "note.txt"
    assert note.read_text() == "kept"
    assert note.stat().st_mode & 0o777 == 0o600
    assert (Path(copied) / "link").readlink() == Path("/etc/passwd")
    note.write_text("changed in the rehearsal")
    assert (uploads / "deep" / "note.txt").read_text() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="owners can be changed by root only")
def test_a_copy_has_the_owners(folder: Folder, project: Path) -> None:
    uploads = data(project)
    os.chown(uploads / "deep", 10001, 10001)
    copied = folder.throw_away_copy(str(uploads), MEGABYTE)
    assert (Path(str(copied)) / "deep").stat().st_uid == 10001


def test_sockets_and_pipes_are_left_out(folder: Folder, project: Path) -> None:
    uploads = data(project)
    os.mkfifo(uploads / "pipe")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(os.path.relpath(uploads / "plug"))
        copied = folder.throw_away_copy(str(uploads), MEGABYTE)
    assert copied
    assert sorted(file.name for file in Path(copied).iterdir()) == ["deep", "link"]


def test_a_single_file_is_copied_too(folder: Folder, project: Path) -> None:
    (project / "settings.json").write_text("{}")
    copied = folder.throw_away_copy(str(project / "settings.json"), MEGABYTE)
    assert Path(str(copied)).read_text() == "{}"


def test_what_is_larger_than_allowed_is_not_copied(folder: Folder, project: Path) -> None:
    uploads = data(project)
    (uploads / "film").write_bytes(os.urandom(2 * MEGABYTE))
    assert folder.throw_away_copy(str(uploads), MEGABYTE) is None


def test_a_sparse_file_counts_and_takes_only_what_is_in_it(folder: Folder, project: Path) -> None:
    uploads = data(project)
    with (uploads / "sparse").open("wb") as file:
        file.truncate(10**9)
    copied = folder.throw_away_copy(str(uploads), MEGABYTE)
    assert copied
    copy = (Path(copied) / "sparse").stat()
    assert copy.st_size == 10**9
    assert copy.st_blocks * 512 < MEGABYTE


def test_a_data_path_that_is_a_link_or_missing_is_not_copied(folder: Folder, project: Path) -> None:
    (project / "link").symlink_to("/etc")
    assert folder.throw_away_copy(str(project / "link"), MEGABYTE) is None
    assert folder.throw_away_copy(str(project / "missing"), MEGABYTE) is None


def test_copies_of_the_same_name_do_not_meet_and_all_are_removed(folder: Folder, project: Path) -> None:
    first = folder.throw_away_copy(str(data(project)), MEGABYTE)
    (project / "other" / "uploads").mkdir(parents=True)
    second = folder.throw_away_copy(str(project / "other" / "uploads"), MEGABYTE)
    assert first != second
    folder.remove_copies()
    folder.remove_copies()
    assert not (project.parent / "copies").exists()
    assert (project / "uploads" / "deep" / "note.txt").exists()
