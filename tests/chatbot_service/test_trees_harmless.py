"""Nothing that is restored can harm the host: no device, no setuid, no capability. All else stays as it was."""

import os
import struct
from pathlib import Path

import pytest

from chatbot_service.trees_harmless import make_harmless

NET_RAW = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


@pytest.fixture
def staged(tmp_path: Path) -> Path:
    staged = tmp_path / "staged"
    (staged / "bin").mkdir(parents=True)
    for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("usual", 0o755), ("sticky", 0o1644)):
        (staged / "bin" / name).write_text(name)
        (staged / "bin" / name).chmod(mode)
    (staged / "shared").mkdir()
    (staged / "shared").chmod(0o2775)
    (staged / "pipe").unlink(missing_ok=True)
    os.mkfifo(staged / "pipe")
    (staged / "link").symlink_to("/usr/bin/passwd")
    return staged


def capable(file: Path) -> Path:
    file.write_text("ping")
    try:
        os.setxattr(file, "security.capability", NET_RAW)
    except OSError as error:
        pytest.skip(f"left out: capabilities of files cannot be set here ({error})")
    return file


def device(path: Path) -> Path:
    try:
        os.mknod(path, 0o20600, os.makedev(1, 3))
    except PermissionError as error:
        pytest.skip(f"left out: devices cannot be made here ({error})")
    return path


def test_setuid_and_setgid_of_files_are_taken_off_and_told(staged: Path) -> None:
    told = make_harmless(str(staged), keep_setuid=False)
    modes = {name: (staged / name).stat().st_mode & 0o7777 for name in ("bin/setuid", "bin/setgid", "bin/sticky", "shared")}
    assert modes == {"bin/setuid": 0o755, "bin/setgid": 0o755, "bin/sticky": 0o1644, "shared": 0o2775}
    assert sorted(told) == [f"{staged}/bin/{name}: setuid or setgid taken off" for name in ("setgid", "setuid")]


def test_what_is_no_harm_stays_and_is_not_told(staged: Path) -> None:
    passwd = Path("/usr/bin/passwd").stat()
    before = {entry: entry.lstat() for entry in (staged / "bin/usual", staged / "pipe", staged / "link", staged)}
    make_harmless(str(staged), keep_setuid=False)
    assert {entry: entry.lstat() for entry in before} == before
    assert Path("/usr/bin/passwd").stat() == passwd
    assert make_harmless(str(staged), keep_setuid=False) == []


def test_setuid_and_capabilities_stay_where_they_may(staged: Path) -> None:
    ping = capable(staged / "bin/ping")
    assert make_harmless(str(staged), keep_setuid=True) == []
    assert (staged / "bin/setuid").stat().st_mode & 0o7777 == 0o4755
    assert os.getxattr(ping, "security.capability")


def test_capabilities_are_taken_off_and_other_attributes_stay(staged: Path) -> None:
    ping = capable(staged / "bin/ping")
    os.setxattr(ping, "user.word", b"x")
    assert f"{ping}: capabilities taken off" in make_harmless(str(staged), keep_setuid=False)
    assert os.listxattr(ping) == ["user.word"]


@pytest.mark.parametrize("keep_setuid", [False, True])
def test_devices_are_left_out_and_their_folder_keeps_its_time(staged: Path, keep_setuid: bool) -> None:
    null = device(staged / "bin/null")
    os.utime(staged / "bin", ns=(1, 2))
    assert f"{null}: a device, left out" in make_harmless(str(staged), keep_setuid=keep_setuid)
    assert not null.exists()
    assert (staged / "bin").stat().st_mtime_ns == 2


def test_at_most_twenty_are_named_and_the_rest_is_counted(staged: Path) -> None:
    for number in range(40):
        (staged / f"{number}\n").touch()
        (staged / f"{number}\n").chmod(0o4755)
    told = make_harmless(str(staged), keep_setuid=False)
    assert (len(told), told[-1]) == (21, "and 22 more")
    assert not any("\n" in line for line in told)
    assert not any(entry.lstat().st_mode & 0o4000 for entry in staged.rglob("*"))


def test_a_single_staged_file_is_looked_at_as_well(staged: Path) -> None:
    make_harmless(str(staged / "bin/setuid"), keep_setuid=False)
    assert (staged / "bin/setuid").stat().st_mode & 0o7777 == 0o755
